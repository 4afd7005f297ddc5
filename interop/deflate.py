#!/usr/bin/env python3
"""Compressed messages: the examples `deflate` and `echo --deflate` against Python `websockets`, in both roles.

With the parameters of each direction: takeover or not, windows of 9 to 15 bits, of which some are left out unless ALL is set.
`websockets` uses 12 bits and memLevel 5 by default.
"""

import asyncio
import contextlib
import itertools
import os

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

from cases import case, main, same

EXAMPLES = os.environ["EXAMPLES"]
PROGRAM = os.path.join(EXAMPLES, "deflate")
TEXT = '{"symbol":"SOCK","price":12.5,"name":"Zürich 東京 🙂"},' * 20
BITS = range(9, 16) if "ALL" in os.environ else (9, 12, 15)


def messages(length):
    return [TEXT, TEXT, "", b"", os.urandom(100_000), TEXT, "short", bytes(range(16)) * (length // 16), TEXT]


@contextlib.asynccontextmanager
async def server(*command):
    """Our server, on a free port."""
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield (await child.stdout.readline()).decode().strip().replace("http:", "ws:")
    finally:
        child.kill()
        await child.wait()


async def echoes(url, factory, compressed, longest):
    async with connect(url, extensions=[factory] if factory else None, compression=None, max_size=None, proxy=None) as ws:
        agreed = [extension.name for extension in ws.protocol.extensions]
        same(agreed, ["permessage-deflate"] if compressed else [], "agreed extensions")
        for message in messages(longest):
            await ws.send(message)
            same(await ws.recv(), message)
        await ws.send(iter([TEXT[:100], TEXT[100:101], "", TEXT[101:]]))
        same(await ws.recv(), TEXT)


def flags(prefix, takeover, bits):
    options = [] if takeover else [f"--{prefix}-takeover", "no"]
    return options if bits is None else [*options, f"--{prefix}-window", str(bits)]


def client(name, options, factory, compressed=True, program=PROGRAM, longest=1 << 20):
    """`websockets` as the client of our server."""

    @case(f"client: {name}", 60)
    async def _():
        command = [os.path.join(EXAMPLES, "echo"), "0", *options] if program == "echo" else [PROGRAM, "0", *options]
        async with server(*command) as url:
            await echoes(url, factory, compressed, longest)


DEFAULTS = {"server_max_window_bits": 12, "client_max_window_bits": 12, "compress_settings": {"memLevel": 5}}
client("its defaults", [], ClientPerMessageDeflateFactory(**DEFAULTS), longest=16 << 20)
client("its defaults, with echo --deflate", ["--deflate"], ClientPerMessageDeflateFactory(**DEFAULTS), program="echo")
client("with echo, which does not compress unless it is told to", [], ClientPerMessageDeflateFactory(**DEFAULTS), False, "echo")
client("nothing offered", [], None, False)
for server_no, client_no in itertools.product([False, True], repeat=2):
    client(
        f"no takeover of the server {server_no}, of the client {client_no}",
        [],
        ClientPerMessageDeflateFactory(server_no_context_takeover=server_no, client_no_context_takeover=client_no),
    )
for bits in BITS:
    factory = ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=bits)
    client(f"windows of {bits} bits", [], factory)
for send, receive in itertools.product([False, True], repeat=2):
    client(
        f"a server with takeover {send} and {receive}, 10 and 11 bits",
        [*flags("send", send, 10), *flags("receive", receive, 11)],
        ClientPerMessageDeflateFactory(client_max_window_bits=True),
    )


async def echo(ws):
    async for message in ws:
        await ws.send(message)


def serving(name, settings, *options):
    """`websockets` as the server of our client, which sends messages of all kinds and checks what comes back."""

    @case(f"server: {name}", 60)
    async def _():
        factory = ServerPerMessageDeflateFactory(**settings)
        async with serve(echo, "127.0.0.1", 0, extensions=[factory], compression=None, max_size=None) as running:
            url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
            pipe = asyncio.subprocess.PIPE
            child = await asyncio.create_subprocess_exec(PROGRAM, url, *options, stdout=pipe, stderr=pipe)
            out, errors = await child.communicate()
            if child.returncode != 0 or b"agreed" not in out:
                raise AssertionError(f"exit status {child.returncode}, {out}, {errors}")


serving("its defaults", {"server_max_window_bits": 12, "client_max_window_bits": 12})
for server_no, client_no in itertools.product([False, True], repeat=2):
    serving(
        f"no takeover of the server {server_no}, of the client {client_no}",
        {"server_no_context_takeover": server_no, "client_no_context_takeover": client_no},
    )
for bits in BITS:
    serving(f"windows of {bits} bits", {"server_max_window_bits": bits, "client_max_window_bits": bits})
    serving(f"asked for {bits} bits", {}, "--send-window", str(bits), "--receive-window", str(bits))
serving("asked for no takeover", {}, "--send-takeover", "no", "--receive-takeover", "no")

main("websockets compressing")
