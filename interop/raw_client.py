"""A bare TCP client of the `echo` example: what no library would send, and plain HTTP."""

import asyncio
import os
import struct
from urllib.parse import urlsplit

from cases import case, main, same

PORT = urlsplit(os.environ["ECHO"]).port
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = {
    "Host": f"127.0.0.1:{PORT}",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "echo.html")


def head(first="GET /echo HTTP/1.1", extra="", **changes):
    """An upgrade request; `changes` replace headers (underscores for hyphens), None removes one."""
    headers = dict(UPGRADE)
    for name, value in changes.items():
        headers[name.replace("_", "-")] = value
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    return f"{first}\r\n{lines}{extra}\r\n".encode()


def frame(first, payload, masked=True, length=None):
    """A frame whose first byte is given; the mask is a fixed one. `length` is declared instead of the true one."""
    length = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    if length < 126:
        header = bytes([first, bit | length])
    elif length < 1 << 16:
        header = bytes([first, bit | 126]) + struct.pack(">H", length)
    else:
        header = bytes([first, bit | 127]) + struct.pack(">Q", length)
    if not masked:
        return header + payload
    mask = b"\x37\xfa\x21\x3d"
    return header + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


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
        """Status, headers (names in lower case) and body of an HTTP response."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        version, status = lines[0].split(" ")[:2]
        same(version, "HTTP/1.1", "version")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        if status == "101":
            return 101, headers, b""
        if "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        else:
            body = await self.reader.read()
        return int(status), headers, body

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
