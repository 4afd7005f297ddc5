#!/usr/bin/env python3
"""Compressed messages: the `deflate` example against Python `websockets`, in both roles.

With the parameters of each direction: takeover or not, windows of 9 to 15 bits. `websockets` uses 12 bits and memLevel 5
by default. Prints one line per case; fails unless all have passed.

    EXAMPLES=target/release/examples target/interop/venv/bin/python interop/deflate.py
"""

import asyncio
import itertools
import os
import subprocess
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

PROGRAM = os.path.join(os.environ["EXAMPLES"], "deflate")
TEXT = '{"symbol":"SOCK","price":12.5,"name":"Zürich 東京 🙂"},' * 20
LONG = bytes(range(16)) * (1 << 20)
MESSAGES = [TEXT, TEXT, "", b"", os.urandom(100_000), TEXT, "short", LONG, TEXT]
failed = 0


def report(name, error=None):
    global failed
    failed += error is not None
    print(f"FAIL {name}: {error}" if error else f"ok {name}", flush=True)


async def case(name, body):
    try:
        await asyncio.wait_for(body, 120)
        report(name)
    except Exception as error:
        report(name, repr(error)[:300])


class Server:
    """Our server, on a free port."""

    def __init__(self, *options):
        self.child = subprocess.Popen([PROGRAM, "0", *options], stdout=subprocess.PIPE, text=True)
        self.url = self.child.stdout.readline().strip()

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


async def echoes(url, factory, compressed=True):
    async with connect(url, extensions=[factory] if factory else None, compression=None, max_size=None, proxy=None) as ws:
        agreed = [extension.name for extension in ws.protocol.extensions]
        assert agreed == (["permessage-deflate"] if compressed else []), agreed
        for message in MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(iter([TEXT[:100], TEXT[100:101], "", TEXT[101:]]))
        assert await ws.recv() == TEXT


def flags(prefix, takeover, bits):
    options = [] if takeover else [f"--{prefix}-takeover", "no"]
    return options if bits is None else [*options, f"--{prefix}-window", str(bits)]


async def clients():
    with Server() as url:
        await case("client: its defaults", echoes(url, ClientPerMessageDeflateFactory(
            server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5})))
        await case("client: nothing offered", echoes(url, None, False))
        for server_no, client_no in itertools.product([False, True], repeat=2):
            await case(f"client: no takeover of the server {server_no}, of the client {client_no}", echoes(
                url, ClientPerMessageDeflateFactory(
                    server_no_context_takeover=server_no, client_no_context_takeover=client_no)))
        for bits in range(9, 16):
            await case(f"client: windows of {bits} bits", echoes(url, ClientPerMessageDeflateFactory(
                server_max_window_bits=bits, client_max_window_bits=bits)))
    for send, receive in itertools.product([False, True], repeat=2):
        with Server(*flags("send", send, 10), *flags("receive", receive, 11)) as url:
            await case(f"client: a server with takeover {send} and {receive}, 10 and 11 bits", echoes(
                url, ClientPerMessageDeflateFactory(client_max_window_bits=True)))


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def servers():
    rows = [("its defaults", {"server_max_window_bits": 12, "client_max_window_bits": 12}, [])]
    for server_no, client_no in itertools.product([False, True], repeat=2):
        rows.append((f"no takeover of the server {server_no}, of the client {client_no}", {
            "server_no_context_takeover": server_no, "client_no_context_takeover": client_no}, []))
    for bits in range(9, 16):
        rows.append((f"windows of {bits} bits", {"server_max_window_bits": bits, "client_max_window_bits": bits}, []))
        rows.append((f"asked for {bits} bits", {}, ["--send-window", str(bits), "--receive-window", str(bits)]))
    rows.append(("asked for no takeover", {}, ["--send-takeover", "no", "--receive-takeover", "no"]))
    for name, settings, options in rows:
        async def body():
            factory = ServerPerMessageDeflateFactory(**settings)
            async with serve(echo, "127.0.0.1", 0, extensions=[factory], compression=None, max_size=None) as server:
                port = server.sockets[0].getsockname()[1]
                child = await asyncio.create_subprocess_exec(
                    PROGRAM, f"ws://127.0.0.1:{port}/", *options,
                    stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
                out, errors = await child.communicate()
                assert child.returncode == 0 and b"agreed" in out, (out, errors)
        await case(f"server: {name}", body())


async def main():
    await clients()
    await servers()
    sys.exit(1 if failed else 0)


asyncio.run(main())
