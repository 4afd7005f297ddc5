"""Bytes on a bare TCP connection: what no library would send."""

import asyncio
import struct

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
ORIGIN = "https://good.example"  # which all servers let in that ask for one


def head(first="GET /echo HTTP/1.1", extra="", **changes):
    """An upgrade request; `changes` replace headers (underscores for hyphens), None removes one."""
    headers = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        "Origin": ORIGIN,
    }
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


async def response(reader):
    """Status, headers (names in lower case) and body of an HTTP response."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    version, status = lines[0].split(" ")[:2]
    if version != "HTTP/1.1":
        raise AssertionError(f"version: {version!r}")
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        headers[name.lower()] = value.strip()
    if status == "101":
        return 101, headers, b""
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        body = await reader.read()
    return int(status), headers, body


async def refused(port):
    """Whether nobody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    writer.close()
    return False


async def opened(port):
    """Reader and writer of a connection that is open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head())
    status, _, _ = await response(reader)
    if status != 101:
        raise AssertionError(f"status {status}")
    return reader, writer
