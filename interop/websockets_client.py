"""Python `websockets` as the client of the `echo` and `feed` examples."""

import asyncio
import os

from websockets.asyncio.client import connect as _connect
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode

from cases import FRAGMENTS, SIZES, binary_of, case, main, same, text_of

ECHO = os.environ["ECHO"]
ECHO_SUBPROTOCOL = os.environ["ECHO_SUBPROTOCOL"]  # started with --subprotocol chat.v2 --subprotocol chat.v1
ECHO_ORIGIN = os.environ["ECHO_ORIGIN"]  # started with --origin https://good.example --origin https://also.example

FEED = os.environ["FEED"]  # started with --every 1 --origin https://good.example


def connect(url=ECHO, **options):
    return _connect(url, max_size=None, proxy=None, open_timeout=10, close_timeout=10, **options)


async def echoes(ws, message):
    await ws.send(message)
    same(await ws.recv(), message)


def message_case(name, message):
    @case(name)
    async def _():
        async with connect() as ws:
            await echoes(ws, message)


message_case("text", "héllo, 世界 🌍")
message_case("binary", b"\x00\xff\x80")
message_case("empty text", "")
message_case("empty binary", b"")
for size in SIZES:
    message_case(f"text of {size} bytes", text_of(size))
    message_case(f"binary of {size} bytes", binary_of(size))


@case("fragmented text with a ping between the fragments")
async def _():
    async with connect() as ws:
        pongs = []

        async def fragments():
            for i, fragment in enumerate(FRAGMENTS):
                yield fragment
                pongs.append(await ws.ping(f"ping {i}"))
                await pongs[-1]  # answered although the message has not ended

        await ws.send(fragments())
        same(await ws.recv(), "".join(FRAGMENTS))
        same(len(pongs), len(FRAGMENTS))


@case("text cut inside its characters")
async def _():
    text = "héllo, 世界 🌍"
    async with connect() as ws:
        await ws.send([bytes([byte]) for byte in text.encode()], text=True)
        same(await ws.recv(), text)


@case("fragmented binary of 1 MiB in 1000 pieces")
async def _():
    data = binary_of(1 << 20)
    async with connect() as ws:
        await ws.send([data[i : i + 1049] for i in range(0, len(data), 1049)])
        same(await ws.recv(), data)


@case("ping with empty, short and longest payload")
async def _():
    async with connect() as ws:
        for payload in (b"", b"ping", bytes(range(125))):
            # The library resolves this only by a pong with the same payload.
            await (await ws.ping(payload))
        await echoes(ws, "after the pings")


@case("unasked pong is ignored")
async def _():
    async with connect() as ws:
        await ws.pong(b"nobody asked")
        await echoes(ws, "after the pong")


@case("500 messages sent before any is read")
async def _():
    async with connect() as ws:
        messages = [f"message {i}" if i % 2 else binary_of(i) for i in range(500)]
        await asyncio.gather(*(ws.send(message) for message in messages))
        for message in messages:
            same(await ws.recv(), message)


@case("two connections at once")
async def _():
    async with connect() as one, connect() as two:
        await one.send("one")
        await echoes(two, "two")
        same(await one.recv(), "one")


@case("any path, with a query")
async def _():
    async with connect(ECHO.rstrip("/") + "/some/path?with=query&and=%20more") as ws:
        await echoes(ws, "path")


@case("permessage-deflate is offered and not agreed")
async def _():
    async with connect(compression="deflate") as ws:
        same("permessage-deflate" in ws.request.headers["Sec-WebSocket-Extensions"], True, "offered")
        same(ws.response.headers.get("Sec-WebSocket-Extensions"), None, "agreed")
        await echoes(ws, "plain " * 1000)


def close_case(code, reason):
    @case(f"close {int(code)} with {'a reason of %d bytes' % len(reason.encode()) if reason else 'no reason'}")
    async def _():
        async with connect() as ws:
            await echoes(ws, "before")
            await ws.close(code, reason)
            same(ws.protocol.close_rcvd and ws.protocol.close_rcvd.code, code, "code of the answer")
            same(ws.protocol.close_rcvd_then_sent, False, "we closed first")
            same((ws.close_code, ws.close_reason), (code, reason), "close record")


close_case(CloseCode.NORMAL_CLOSURE, "")
close_case(CloseCode.NORMAL_CLOSURE, "done")
close_case(CloseCode.GOING_AWAY, "going")
close_case(3000, "registered")
close_case(4999, "é世🌍" * 13 + "x" * 6)  # the longest reason there is


def subprotocol_case(name, offered, expected):
    @case(f"subprotocol: {name}")
    async def _():
        async with connect(ECHO_SUBPROTOCOL, subprotocols=offered) as ws:
            same(ws.subprotocol, expected, "subprotocol")
            await echoes(ws, "with a subprotocol")


subprotocol_case("the server's preference wins", ["chat.v1", "chat.v2"], "chat.v2")
subprotocol_case("the only one in common", ["other", "chat.v1"], "chat.v1")
subprotocol_case("none in common", ["other"], None)
subprotocol_case("none offered", None, None)


@case("subprotocol: a server that has none picks none")
async def _():
    async with connect(subprotocols=["chat.v1"]) as ws:
        same(ws.subprotocol, None, "subprotocol")


@case("origin: on the list")
async def _():
    for origin in ("https://good.example", "https://also.example"):
        async with connect(ECHO_ORIGIN, origin=origin) as ws:
            await echoes(ws, origin)


@case("origin: not on the list is refused with 403")
async def _():
    for origin in ("https://evil.example", "http://good.example", "https://good.example.evil.example", "null"):
        try:
            async with connect(ECHO_ORIGIN, origin=origin):
                raise AssertionError(f"{origin} was let in")
        except InvalidStatus as refused:
            same(refused.response.status_code, 403, f"status for {origin}")


@case("feed: pushes the same to all, unasked")
async def _():
    async with connect(FEED, origin="https://good.example") as one, connect(FEED, origin="https://good.example") as two:
        told, seen = await two.recv(), [await one.recv()]
        while seen[-1] != told:  # the first of them has had it, too, and perhaps others before
            seen.append(await one.recv())
        same((await one.recv()) != told, True, "messages differ")
        await (await one.ping(b"still there"))
        await one.close(1000)
        same(one.protocol.close_rcvd and one.protocol.close_rcvd.code, 1000, "code of the answer")
        await two.recv()  # the others go on


@case("feed: an origin that is not on the list is refused with 403")
async def _():
    try:
        async with connect(FEED, origin="https://evil.example"):
            raise AssertionError("let in")
    except InvalidStatus as refused:
        same(refused.response.status_code, 403, "status")


main("websockets client")
