"""A bare TCP client of `echo` and of the servers in `drivers/hosts`: what no library would send, and plain HTTP."""

import asyncio
import os
import socket
import struct
from urllib.parse import urlsplit

from cases import case, main, resident_kilobytes, same
from raw import KEY, frame, head, response

PROCESS = os.environ["ECHO_PROCESS"]
PORT = urlsplit(os.environ["ECHO"]).port
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "echo.html")


class Raw:
    """One TCP connection."""

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", PORT)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def response(self):
        return await response(self.reader)

    def reset(self):
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async def open(self):
        await self.send(head())
        status, headers, _ = await self.response()
        same((status, headers.get("sec-websocket-accept")), (101, ACCEPT), "handshake")

    async def frame(self):
        """First byte and payload of one frame from the server, which must not be masked."""
        first, second = await self.reader.readexactly(2)
        same(second & 0x80, 0, "mask bit of the server")
        length = second
        if second == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif second == 127:
            (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first, await self.reader.readexactly(length)

    async def closed_with(self, code):
        """The server's next frame is a Close with that code, then it ends the stream."""
        first, payload = await self.frame()
        same(first, 0x88, "first byte of the Close frame")
        if code is None:
            same(payload, b"", "payload of the Close frame")
        else:
            same(struct.unpack(">H", payload[:2])[0], code, "close code")
            payload[2:].decode()
        await self.ended()

    async def ended(self):
        # Our Close first: a server may rightly wait for it. One that has dropped the connection resets it.
        try:
            await self.send(frame(0x88, struct.pack(">H", 1000)))
            same(await self.reader.read(), b"", "bytes after the Close frame")
        except (ConnectionResetError, BrokenPipeError):
            pass


def broken(name, code, *frames):
    @case(f"{name}: {code}")
    async def _():
        async with Raw() as raw:
            await raw.open()
            await raw.send(b"".join(frames))
            await raw.closed_with(code)


broken("unmasked frame", 1002, frame(0x81, b"Hello", masked=False))
broken("reserved bit", 1002, frame(0xC1, b"Hello"))
broken("reserved opcode, data", 1002, frame(0x83, b""))
broken("reserved opcode, control", 1002, frame(0x8B, b""))
broken("ping of 126 bytes", 1002, frame(0x89, b"x" * 126))
broken("ping in fragments", 1002, frame(0x09, b"x"))
broken("continuation of nothing", 1002, frame(0x80, b"x"))
broken("text inside a message", 1002, frame(0x01, b"x"), frame(0x81, b"y"))
broken("length of 125 in two bytes", 1002, b"\x82\xfe\x00\x7d" + b"\0" * 4)
broken("length of 65535 in eight bytes", 1002, b"\x82\xff" + struct.pack(">Q", 65535) + b"\0" * 4)
broken("length with the highest bit", 1002, b"\x82\xff" + struct.pack(">Q", 1 << 63) + b"\0" * 4)
broken("length of 2^62, judged by the header", 1009, frame(0x82, b"", length=1 << 62))
broken("bad UTF-8", 1007, frame(0x81, b"caf\xe9!"))
broken("bad UTF-8 in a fragment, before the end", 1007, frame(0x01, b"h\xc3\xa9llo \xff"))
broken("bad UTF-8 in a long frame that has not ended", 1007, frame(0x81, b"h\xc3\xa9llo \xff" + b"x" * 5000, length=10000))
broken("UTF-8 that ends inside a character", 1007, frame(0x01, b"ok \xe4\xb8"), frame(0x80, b""))
broken("surrogate in UTF-8", 1007, frame(0x81, b"\xed\xa0\x80"))


def bad_close(name, code, payload):
    @case(f"{name}: {code}")
    async def _():
        async with Raw() as raw:
            await raw.open()
            await raw.send(frame(0x88, payload))
            first, answer = await raw.frame()
            same((first, answer[:2]), (0x88, struct.pack(">H", code)), "Close frame")
            same(await raw.reader.read(), b"", "bytes after the Close frame")


bad_close("Close of one byte", 1002, b"\x03")
bad_close("Close with 1005", 1002, struct.pack(">H", 1005))
bad_close("Close with 999", 1002, struct.pack(">H", 999))
bad_close("Close with bad UTF-8 in its reason", 1007, struct.pack(">H", 1000) + b"\xff")


@case("Close without a code is answered without a code")
async def _():
    async with Raw() as raw:
        await raw.open()
        await raw.send(frame(0x88, b""))
        same(await raw.frame(), (0x88, b""), "Close frame")
        same(await raw.reader.read(), b"", "bytes after the Close frame")


@case("Close: the server ends the stream first")
async def _():
    async with Raw() as raw:
        await raw.open()
        await raw.send(frame(0x88, struct.pack(">H", 4001) + b"bye"))
        first, payload = await raw.frame()
        same((first, payload[:2]), (0x88, struct.pack(">H", 4001)), "Close frame")
        same(await raw.reader.read(), b"", "end of stream")


@case("a message after our Close is not echoed")
async def _():
    async with Raw() as raw:
        await raw.open()
        await raw.send(frame(0x88, struct.pack(">H", 1000)) + frame(0x81, b"too late"))
        same((await raw.frame())[0], 0x88, "first byte")
        try:
            same(await raw.reader.read(), b"", "bytes after the Close frame")
        except ConnectionResetError:
            pass  # bytes that the server never read: the kernel may reset


@case("a Ping after the server's Close is not waited for, and nothing follows that Close")
async def _():
    async with Raw() as raw:
        await raw.open()
        await raw.send(frame(0xC1, b"bad") + frame(0x89, b"late"))
        await raw.closed_with(1002)


@case("reset right after both Close frames: the server goes on serving others")
async def _():
    async with Raw() as raw:
        await raw.open()
        await raw.send(frame(0x88, struct.pack(">H", 1000)))
        same((await raw.frame())[0], 0x88, "first byte")
        raw.reset()
    async with Raw() as raw:
        await raw.open()


def flood(name, limit, reads):
    @case(name, limit)
    async def _():
        pings = frame(0x89, b"x" * 125) * 1000
        async with Raw() as raw:
            await raw.open()
            before = resident_kilobytes(PROCESS)
            reading = asyncio.create_task(raw.reader.read(-1)) if reads else None
            end = asyncio.get_running_loop().time() + 3
            try:
                while asyncio.get_running_loop().time() < end:
                    await asyncio.wait_for(raw.send(pings), 3)
            except (TimeoutError, ConnectionError):
                pass  # held up, as it should be
            grown = resident_kilobytes(PROCESS) - before
            if grown > 16 << 10:
                raise AssertionError(f"{grown} kB more than before")
            if reading:
                reading.cancel()
        async with Raw() as raw:
            await raw.open()
            await raw.send(frame(0x81, b"still there"))
            same(await raw.frame(), (0x81, b"still there"), "echo")


flood("a flood of Pings costs no memory", 20, reads=True)
flood("a flood of Pings whose Pongs are not read costs no memory", 20, reads=False)


@case("half-closed without a Close: the server goes on serving others")
async def _():
    async with Raw() as raw:
        await raw.open()
        await raw.send(frame(0x81, b"Hello")[:4])
        raw.writer.write_eof()
        await raw.reader.read()
    async with Raw() as raw:
        await raw.open()


@case("handshake and frames, one byte at a time")
async def _():
    async with Raw() as raw:
        for byte in head() + frame(0x01, "é".encode()[:1]) + frame(0x89, b"p") + frame(0x80, "é".encode()[1:]):
            await raw.send(bytes([byte]))
            await asyncio.sleep(0.0005)
        same((await raw.response())[0], 101, "status")
        same(await raw.frame(), (0x8A, b"p"), "pong")
        same(await raw.frame(), (0x81, "é".encode()), "echo")


@case("handshake and frames in one write")
async def _():
    async with Raw() as raw:
        await raw.send(head() + frame(0x81, b"one") + frame(0x82, b"two") + frame(0x88, struct.pack(">H", 1000)))
        same((await raw.response())[0], 101, "status")
        same(await raw.frame(), (0x81, b"one"), "first")
        same(await raw.frame(), (0x82, b"two"), "second")
        same(await raw.frame(), (0x88, struct.pack(">H", 1000)), "Close frame")
        same(await raw.reader.read(), b"", "bytes after the Close frame")


@case("token lists in any case")
async def _():
    async with Raw() as raw:
        await raw.send(head(Connection="keep-alive , uPgRaDe", Upgrade="WebSocket"))
        status, headers, _ = await raw.response()
        same((status, headers.get("sec-websocket-accept")), (101, ACCEPT), "handshake")
        same(headers.get("upgrade", "").lower(), "websocket", "Upgrade")
        same(headers.get("connection", "").lower(), "upgrade", "Connection")


def answered(name, status, request, **expected):
    """`expected`: headers of the answer (underscores for hyphens)."""

    @case(f"{name}: {status}")
    async def _():
        async with Raw() as raw:
            await raw.send(request)
            got, headers, _ = await raw.response()
            same(got, status, "status")
            for header, value in expected.items():
                same(headers.get(header.replace("_", "-")), value, header)


answered("another version", 426, head(Sec_WebSocket_Version="8"), sec_websocket_version="13")
answered("version 0", 426, head(Sec_WebSocket_Version="0"), sec_websocket_version="13")
answered("no version", 400, head(Sec_WebSocket_Version=None))
answered("no key", 400, head(Sec_WebSocket_Key=None))
answered("a key of 15 bytes", 400, head(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAA"))
answered("a key that is no base64", 400, head(Sec_WebSocket_Key="not base64 at all!!"))
answered("two keys", 400, head(extra=f"Sec-WebSocket-Key: {KEY}\r\n"))
answered("no Host", 400, head(Host=None))
answered("two Hosts", 400, head(extra="Host: other.example\r\n"))
answered("a folded header", 400, head(extra="X-Folded: one\r\n two\r\n"))
answered("a space before the colon", 400, head(extra="X-Space : one\r\n"))
answered("a thousand headers", 431, head(extra="".join(f"X-{i}: x\r\n" for i in range(1000))))
answered("garbage", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 garbage\r\n\r\n")
answered("a head of 100 kB", 431, head(extra="X-Long: " + "x" * 100_000 + "\r\n"))
answered("plain POST", 405, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
answered("upgrade by POST", 405, head("POST /echo HTTP/1.1"))


@case("plain GET is answered with the page")
async def _():
    with open(PAGE, "rb") as file:
        page = file.read()
    async with Raw() as raw:
        await raw.send(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nConnection: close\r\n\r\n".encode())
        status, headers, body = await raw.response()
        same(status, 200, "status")
        same(headers.get("content-type", "").replace(" ", "").lower(), "text/html;charset=utf-8", "Content-Type")
        same(body, page, "the page")


@case("plain GET as HTTP/1.0 is answered, too")
async def _():
    async with Raw() as raw:
        await raw.send(b"GET / HTTP/1.0\r\n\r\n")
        same((await raw.response())[0] in (200, 400, 505), True, "an answer of HTTP")


main("raw client")
