"""Python `websockets`, and a bare TCP server, as the server of the `client` and `autobahn_client` examples: those in EXAMPLES,
over TLS where there is a CERTIFICATE."""

import asyncio
import base64
import contextlib
import hashlib
import os
import signal
import socket
import ssl
import struct
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve as _serve
from websockets.exceptions import ConnectionClosed

from cases import FRAGMENTS, SIZES, binary_of, case, main, resident_kilobytes, same, text_of

EXAMPLES = os.environ["EXAMPLES"]
CERTIFICATE = os.environ.get("CERTIFICATE")
SCHEME, TLS = ("wss", ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)) if CERTIFICATE else ("ws", None)
if TLS:
    TLS.load_cert_chain(CERTIFICATE, os.environ["KEY"])
CLEAN, CLOSED, USAGE, REFUSED, UNREACHABLE = 0, 1, 2, 3, 4  # exit statuses of the `client` example
LINES = ["first line", "héllo, 世界 🌍", "", "last"]


class Client:
    """The `client` example, its standard input and output in our hands."""

    def __init__(self, *arguments, program="client"):
        trust = ["--trust", CERTIFICATE] if TLS else []
        self.command = [os.path.join(EXAMPLES, program), *arguments, *trust]

    async def __aenter__(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=pipe, stdout=pipe, stderr=pipe, limit=32 << 20
        )
        return self

    async def __aexit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def type(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        await self.process.stdin.drain()

    async def prints(self, *lines):
        for line in lines:
            same((await self.process.stdout.readline()).decode(), line + "\n", "line on stdout")

    def end_of_input(self):
        self.process.stdin.close()

    async def exits(self, *statuses, says=""):
        """Exit status, and a part of what stderr says, or one of several. Nothing else is on stdout by now."""
        rest, errors = await asyncio.gather(self.process.stdout.read(), self.process.stderr.read())
        status = await self.process.wait()
        if status not in statuses:
            raise AssertionError(f"exit status {status}, expected {statuses}; stderr: {errors.decode()[:200]!r}")
        same(rest, b"", "rest of stdout")
        parts = (says,) if isinstance(says, str) else says
        if not any(part in errors.decode() for part in parts) or "panicked" in errors.decode():
            raise AssertionError(f"stderr lacks {says!r}: {errors.decode()[:200]!r}")


@contextlib.asynccontextmanager
async def serve(handler, **options):
    """A server whose handler's failure is the case's failure. Yields its address."""
    failures = []

    async def wrapped(ws):
        try:
            await handler(ws)
        except (Exception, asyncio.CancelledError) as error:
            failures.append(error)

    options = {"max_size": None, "ping_interval": None, "close_timeout": 5, "ssl": TLS, **options}
    async with _serve(wrapped, "127.0.0.1", 0, **options) as server:
        try:
            yield f"{SCHEME}://127.0.0.1:{server.sockets[0].getsockname()[1]}/chat?room=1"
        finally:
            if failures:
                raise failures[0]


async def until_closed(ws, code, reason=None):
    """Waits for the client's Close, and checks its code."""
    try:
        message = await ws.recv()
    except ConnectionClosed:
        pass
    else:
        raise AssertionError(f"message instead of a Close: {message[:80]!r}")
    same(ws.protocol.close_rcvd and ws.protocol.close_rcvd.code, code, "close code from the client")
    if reason is not None:
        same(ws.protocol.close_rcvd.reason, reason, "close reason from the client")


@case("lines typed arrive as text, end of input closes with 1000")
async def _():
    async def handler(ws):
        same(ws.request.path, "/chat?room=1", "path")
        for line in LINES:
            same(await ws.recv(), line)
        await until_closed(ws, 1000)
        same(ws.protocol.close_rcvd_then_sent, True, "the client closed first")

    async with serve(handler) as url, Client(url) as client:
        await client.type(*LINES)
        client.end_of_input()
        await client.exits(CLEAN)


@case("a last line without its line end is sent, too")
async def _():
    async def handler(ws):
        same(await ws.recv(), "no line end")
        await until_closed(ws, 1000)

    async with serve(handler) as url, Client(url) as client:
        client.process.stdin.write(b"no line end")
        client.end_of_input()
        await client.exits(CLEAN)


@case("what the server pushes is printed, while nothing is typed")
async def _():
    async def handler(ws):
        await ws.send("pushed")
        await ws.send("héllo, 世界 🌍")
        await ws.send(b"")
        await ws.send(bytes(300))
        await until_closed(ws, 1000)

    async with serve(handler) as url, Client(url) as client:
        await client.prints("pushed", "héllo, 世界 🌍", "<binary 0 bytes>", "<binary 300 bytes>")
        client.end_of_input()
        await client.exits(CLEAN)


@case("lines of all sizes up to 65536 bytes go and come")
async def _():
    sizes = [size for size in SIZES if size <= 65536]

    async def handler(ws):
        for size in sizes:
            same(await ws.recv(), text_of(size))
            await ws.send(text_of(size))
        await until_closed(ws, 1000)

    async with serve(handler) as url, Client(url) as client:
        for size in sizes:
            await client.type(text_of(size))
            await client.prints(text_of(size))
        client.end_of_input()
        await client.exits(CLEAN)


@case("a fragmented message with pings between is one line")
async def _():
    async def handler(ws):
        async def fragments():
            for i, fragment in enumerate(FRAGMENTS):
                yield fragment
                await (await ws.ping(f"ping {i}"))

        await ws.send(fragments())
        await until_closed(ws, 1000)

    async with serve(handler) as url, Client(url) as client:
        await client.prints("".join(FRAGMENTS))
        client.end_of_input()
        await client.exits(CLEAN)


@case("pings are answered while nothing is typed")
async def _():
    answered = asyncio.Event()

    async def handler(ws):
        for payload in (b"", b"ping", bytes(range(125))):
            await (await ws.ping(payload))
        answered.set()
        await until_closed(ws, 1000)

    async with serve(handler) as url, Client(url) as client:
        await answered.wait()
        client.end_of_input()
        await client.exits(CLEAN)


@case("permessage-deflate is not offered unless it is asked for")
async def _():
    async def handler(ws):
        same(ws.response.headers.get("Sec-WebSocket-Extensions"), None, "agreed extensions")
        await ws.send("plain " * 1000)
        await until_closed(ws, 1000)

    async with serve(handler, compression="deflate") as url, Client(url) as client:
        await client.prints("plain " * 1000)
        client.end_of_input()
        await client.exits(CLEAN)


@case("--deflate: messages are compressed both ways")
async def _():
    async def handler(ws):
        agreed = [extension.name for extension in ws.protocol.extensions]
        same(agreed, ["permessage-deflate"], "agreed extensions")
        for _ in range(3):
            same(await ws.recv(), "compressed " * 1000)
            await ws.send("inflated " * 1000)
        await until_closed(ws, 1000)

    async with serve(handler, compression="deflate") as url, Client(url, "--deflate") as client:
        for _ in range(3):
            await client.type("compressed " * 1000)
            await client.prints("inflated " * 1000)
        client.end_of_input()
        await client.exits(CLEAN)


@case("--deflate: a server that has no compression gets plain messages")
async def _():
    async def handler(ws):
        same(await ws.recv(), "plain " * 1000)
        await until_closed(ws, 1000)

    async with serve(handler, compression=None) as url, Client(url, "--deflate") as client:
        await client.type("plain " * 1000)
        client.end_of_input()
        await client.exits(CLEAN)


def close_case(code, reason, status):
    @case(f"server closes with {code}: exit status {status}")
    async def _():
        async def handler(ws):
            await ws.close(code, reason)
            same(ws.protocol.close_rcvd and ws.protocol.close_rcvd.code, code, "code of the client's answer")

        async with serve(handler) as url, Client(url) as client:
            await client.exits(status)  # its input stays open: it must not wait for it


close_case(1000, "bye", CLEAN)
close_case(1001, "", CLEAN)
close_case(1011, "oops", CLOSED)
close_case(4000, "é世🌍" * 13 + "x" * 6, CLOSED)


@case("headers given are sent, in order")
async def _():
    async def handler(ws):
        same(ws.request.headers.get_all("X-Token"), ["one", "two: three"], "X-Token")
        same(ws.request.headers["X-Other"], "other", "X-Other")
        await ws.close()

    headers = ("X-Token: one", "X-Token: two: three", "X-Other:other")
    async with serve(handler) as url, Client(url, *(word for h in headers for word in ("--header", h))) as client:
        await client.exits(CLEAN)


@case("subprotocol: the server's choice is taken")
async def _():
    async def handler(ws):
        same(ws.subprotocol, "chat.v2", "subprotocol")
        offered = ",".join(ws.request.headers.get_all("Sec-WebSocket-Protocol"))
        same([name.strip() for name in offered.split(",")], ["chat.v1", "chat.v2"], "offered, in order")
        await ws.close()

    async with serve(handler, select_subprotocol=lambda ws, offered: "chat.v2") as url:
        async with Client(url, "--subprotocol", "chat.v1", "--subprotocol", "chat.v2") as client:
            await client.exits(CLEAN)


def bad_subprotocol(name, *options):
    @case(f"subprotocol: {name}")
    async def _():
        def add(ws, request, response):
            response.headers["Sec-WebSocket-Protocol"] = "chat.v3"

        async def handler(ws):
            await ws.wait_closed()

        async with serve(handler, process_response=add) as url, Client(url, *options) as client:
            await client.exits(CLOSED, REFUSED)


bad_subprotocol("one that was not offered is an error", "--subprotocol", "chat.v1", "--subprotocol", "chat.v2")
bad_subprotocol("one when none was offered is an error")


@case("origin: refused by the server with 403")
async def _():
    async def handler(ws):
        same(ws.request.headers["Origin"], "https://good.example", "Origin")
        await ws.close()

    async with serve(handler, origins=["https://good.example"]) as url:
        async with Client(url, "--origin", "https://evil.example") as client:
            await client.exits(REFUSED, says="403")
        async with Client(url) as client:
            await client.exits(REFUSED, says="403")
        async with Client(url, "--origin", "https://good.example") as client:
            await client.exits(CLEAN)


def refused_case(status):
    @case(f"handshake refused with {status}")
    async def _():
        async def handler(ws):
            raise AssertionError("connected")

        def refuse(ws, request):
            return ws.respond(status, "not today\n")

        async with serve(handler, process_request=refuse) as url, Client(url) as client:
            await client.exits(REFUSED, says=str(status))


for refused in (200, 302, 401, 403, 503):
    refused_case(refused)


# A bare TCP server: what no library would send.


@contextlib.asynccontextmanager
async def raw_server(after, accept=None, head=None):
    """Answers the handshake, then runs `after(reader, writer)`, and yields its address."""
    failures = []

    async def connected(reader, writer):
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = next(line[18:].strip() for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key:"))
            same(len(base64.b64decode(key, validate=True)), 16, "bytes in the key")
            digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            answer = head or (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept or base64.b64encode(digest).decode()}\r\n\r\n"
            )
            await after(reader, writer, answer.encode())
        except Exception as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=TLS)
    async with server:
        yield f"{SCHEME}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    if failures:
        raise failures[0]


async def client_frame(reader):
    """First byte and payload of a frame from the client, which must be masked."""
    first, second = await reader.readexactly(2)
    same(second & 0x80, 0x80, "mask bit of the client")
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(length)
    return first, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def broken(name, code, data):
    @case(f"server sends {name}: the client closes with {code}, exit status 1")
    async def _():
        async def after(reader, writer, answer):
            writer.write(answer + data)
            first, payload = await client_frame(reader)
            same((first, payload[:2]), (0x88, code.to_bytes(2, "big")), "Close frame")

        async with raw_server(after) as url, Client(url) as client:
            await client.exits(CLOSED)


broken("a masked frame", 1002, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
broken("a reserved opcode", 1002, b"\x83\x00")
broken("bad UTF-8", 1007, b"\x81\x02\xc3\x28")
broken("a length of 2^62", 1009, b"\x82\x7f\x40" + bytes(7))


@case("server closes without a code: exit status 0")
async def _():
    async def after(reader, writer, answer):
        writer.write(answer + b"\x88\x00")
        same(await client_frame(reader), (0x88, b""), "Close frame")

    async with raw_server(after) as url, Client(url) as client:
        await client.exits(CLEAN)


@case("the connection breaks: exit status 1")
async def _():
    async def after(reader, writer, answer):
        writer.write(answer + b"\x81\x02hi\x81\x05cut")

    async with raw_server(after) as url, Client(url) as client:
        await client.prints("hi")
        await client.exits(CLOSED)


def reset(writer):
    """Drops the connection with a reset instead of an end."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@case("a Ping after the client's Close is answered (section 5.5.2)")
async def _():
    async def after(reader, writer, answer):
        writer.write(answer)
        same(await client_frame(reader), (0x88, b"\x03\xe8"), "Close frame")
        writer.write(b"\x89\x04late")
        same(await client_frame(reader), (0x8A, b"late"), "pong")
        writer.write(b"\x88\x02\x03\xe8")

    async with raw_server(after) as url, Client(url) as client:
        client.end_of_input()
        await client.exits(CLEAN)


@case("a reset after both Close frames is an end: exit status 0")
async def _():
    async def after(reader, writer, answer):
        writer.write(answer)
        same(await client_frame(reader), (0x88, b"\x03\xe8"), "Close frame")
        writer.write(b"\x81\x04read\x88\x02\x03\xe8")
        await printed.wait()
        reset(writer)

    printed = asyncio.Event()
    async with raw_server(after) as url, Client(url) as client:
        client.end_of_input()
        await client.prints("read")  # and the Close with it, as both have come in one piece
        printed.set()
        await client.exits(CLEAN)


@case("a reset after the server's Close alone is none: exit status 1")
async def _():
    async def after(reader, writer, answer):
        writer.write(answer)
        same(await client_frame(reader), (0x88, b"\x03\xe8"), "Close frame")
        reset(writer)

    async with raw_server(after) as url, Client(url) as client:
        client.end_of_input()
        await client.exits(CLOSED)


@case("a flood of Pings from the server costs the client no memory")
async def _():
    flood = (b"\x89\x7d" + b"x" * 125) * 1000

    async def after(reader, writer, answer):
        writer.write(answer + b"\x81\x02hi")
        await writer.drain()
        end = asyncio.get_running_loop().time() + 3
        received = bytearray()

        async def read():
            while data := await reader.read(1 << 16):
                del received[:-8]
                received.extend(data)

        reading = asyncio.create_task(read())
        while asyncio.get_running_loop().time() < end:
            writer.write(flood)
            await writer.drain()
        writer.write(b"\x88\x02\x03\xe8")
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            await reading
        while received[-8:-6] != b"\x88\x82":  # over TLS the client waits for us
            same(reading.done(), False, "the Close frame comes last")
            await asyncio.sleep(0.05)
        reading.cancel()

    async with raw_server(after) as url, Client(url) as client:
        await client.prints("hi")
        await asyncio.sleep(2)
        resident = resident_kilobytes(client.process.pid)
        if resident > 32 << 10:
            raise AssertionError(f"{resident} kB resident")
        await client.exits(CLEAN)


@case("Ctrl-C closes with 1001")
async def _():
    async def handler(ws):
        same(await ws.recv(), "hello")
        client.process.send_signal(signal.SIGINT)
        await until_closed(ws, 1001)

    async with serve(handler) as url, Client(url) as client:
        await client.type("hello")
        await client.exits(CLEAN)


@case("Ctrl-C again ends the client at once")
async def _():
    async def after(reader, writer, answer):
        writer.write(answer + b"\x81\x02hi")
        same(await client_frame(reader), (0x88, b"\x03\xe9"), "Close frame")
        client.process.send_signal(signal.SIGINT)
        same(await reader.read(), b"", "the end")

    async with raw_server(after) as url, Client(url) as client:
        await client.prints("hi")
        client.process.send_signal(signal.SIGINT)
        await client.exits(130)


@case("a server that does not answer the Close: given up at the deadline, exit status 1")
async def _():
    async def after(reader, writer, answer):
        writer.write(answer + b"\x81\x02hi")
        same(await client_frame(reader), (0x88, b"\x03\xe8"), "Close frame")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        took = asyncio.get_running_loop().time() - began
        same(0.5 <= took < 5, True, f"after half a second, not {took:.3f} s")

    async with raw_server(after) as url, Client(url, "--timeout", "close=0.5") as client:
        await client.prints("hi")
        began = asyncio.get_running_loop().time()
        client.end_of_input()
        await client.exits(CLOSED, says="closing took too long")


@case("a server that does not answer the handshake: given up at the deadline, exit status 3")
async def _():
    async def after(reader, writer, answer):
        with contextlib.suppress(ConnectionError):
            await reader.read()

    async with raw_server(after) as url, Client(url, "--timeout", "handshake=0.5") as client:
        await client.exits(REFUSED, says=("did not come in time", "the opening handshake took too long"))


@case("a server that does not answer Pings: closed with 1011, exit status 1")
async def _():
    async def after(reader, writer, answer):
        writer.write(answer)
        same((await client_frame(reader))[0], 0x89, "Ping")
        first, payload = await client_frame(reader)
        same((first, payload[:2]), (0x88, (1011).to_bytes(2, "big")), "Close")
        writer.write(b"\x88\x02\x03\xf3")

    deadlines = ["--timeout", "ping-after=0.3", "--timeout", "pong-within=0.3"]
    async with raw_server(after) as url, Client(url, *deadlines) as client:
        await client.exits(CLOSED, says="no answer to a Ping")


@case("--reconnect: waits grow, what is typed meanwhile is sent afterwards, 1000 ends it", limit=40)
async def _():
    times, loop = [], asyncio.get_running_loop()

    def refuse(ws, request):
        times.append(loop.time())
        if len(times) < 4:
            return ws.respond(503, "later\n")

    async def handler(ws):
        if len(times) == 4:
            same(await ws.recv(), "typed")
            ws.transport.abort()
        else:
            await ws.close(1001 if len(times) == 5 else 1000)

    async with serve(handler, process_request=refuse) as url, Client(url, "--reconnect") as client:
        await client.type("typed")
        while len(times) < 6:
            await asyncio.sleep(0.1)
        await client.exits(CLEAN, says="connecting again in")
    waits = [after - before for before, after in zip(times, times[1:])]
    for n, wait in enumerate(waits):
        same(0.25 * 2**n <= wait <= 0.75 * 2**n + 1.5, True, f"wait {n} of {waits}")


@case("--reconnect: a connection that has lasted makes the waits short again", limit=40)
async def _():
    times, loop = [], asyncio.get_running_loop()

    def refuse(ws, request):
        times.append(loop.time())
        if len(times) < 4:
            return ws.respond(503, "later\n")

    async def handler(ws):
        if len(times) == 4:
            await (await ws.ping())  # its clock has begun
            await asyncio.sleep(10.3)
            times[-1] = loop.time()
            ws.transport.abort()
        else:
            await ws.close(1000)

    async with serve(handler, process_request=refuse) as url, Client(url, "--reconnect") as client:
        while len(times) < 5:
            await asyncio.sleep(0.1)
        await client.exits(CLEAN)
    # 0.75 s is the most that it waits after that, and 2 s the least that it would have waited next.
    same(0.25 <= times[4] - times[3] < 2, True, f"wait {times[4] - times[3]}")


@case("--reconnect: what will not be better later ends it at once, and so do Ctrl-D and Ctrl-C")
async def _():
    def refuse(ws, request):
        return ws.respond(403, "never\n")

    async def handler(ws):
        raise AssertionError("connected")

    async with serve(handler, process_request=refuse) as url, Client(url, "--reconnect") as client:
        await client.exits(REFUSED, says="403")
    for end in (Client.end_of_input, lambda client: client.process.send_signal(signal.SIGINT)):
        async with Client("ws://127.0.0.1:1/", "--reconnect") as client:
            said = (await client.process.stderr.readline()).decode()
            same("connecting again in" in said, True, f"what it says: {said!r}")
            end(client)
            await client.exits(UNREACHABLE)


@case("answer and first messages in one write, and one byte at a time")
async def _():
    async def whole(reader, writer, answer):
        writer.write(answer + b"\x81\x05Hello\x01\x03Hel\x80\x02lo\x88\x02\x03\xe8")
        same(await client_frame(reader), (0x88, b"\x03\xe8"), "Close frame")

    async def in_bytes(reader, writer, answer):
        for byte in answer + b"\x81\x05Hello\x01\x03Hel\x80\x02lo\x88\x02\x03\xe8":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.0005)
        same(await client_frame(reader), (0x88, b"\x03\xe8"), "Close frame")

    for after in (whole, in_bytes):
        async with raw_server(after) as url, Client(url) as client:
            await client.prints("Hello", "Hello")
            await client.exits(CLEAN)


def bad_answer(name, **options):
    @case(f"handshake: {name} is an error")
    async def _():
        async def after(reader, writer, answer):
            writer.write(answer)
            await reader.read()

        async with raw_server(after, **options) as url, Client(url) as client:
            await client.exits(CLOSED, REFUSED)


bad_answer("a wrong accept value", accept="AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
bad_answer("no accept value", head="HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
bad_answer("no HTTP", head="SSH-2.0-none\r\n\r\n")


@case("nobody listens: exit status 4")
async def _():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # so that nobody else gets this port
        async with Client(f"ws://127.0.0.1:{silent.getsockname()[1]}/") as client:
            await client.exits(UNREACHABLE)


@case("bad usage: exit status 2")
async def _():
    good = "ws://127.0.0.1:1/"
    for arguments in (
        [],
        ["http://127.0.0.1:1/"],
        ["ws://127.0.0.1:1/#fragment"],
        ["ws://127.0.0.1:99999/"],
        ["not a url"],
        [good, "--header"],
        [good, "--header", "no colon"],
        [good, "--header", "X-Two: lines\r\nX-Forged: yes"],
        [good, "--subprotocol", "two words"],
        [good, "--unknown"],
    ):
        async with Client(*arguments) as client:
            try:
                await client.exits(USAGE)
            except AssertionError as error:
                raise AssertionError(f"{arguments}: {error}") from None


# The driver for fuzzing servers, against a small one.


async def echoes(ws, message):
    await ws.send(message)
    same(await ws.recv(), message)


async def fragmented(ws):
    async def fragments():
        for i, fragment in enumerate(FRAGMENTS):
            yield fragment
            await (await ws.ping(f"ping {i}"))

    await ws.send(fragments())
    same(await ws.recv(), "".join(FRAGMENTS))


async def cut_characters(ws):
    text = "héllo, 世界 🌍"
    await ws.send([bytes([byte]) for byte in text.encode()], text=True)
    same(await ws.recv(), text)


async def pings(ws):
    for payload in (b"", b"ping", bytes(range(125))):
        await (await ws.ping(payload))
    await ws.pong(b"nobody asked")
    await echoes(ws, "after the pings")


async def many(ws):
    messages = [f"message {i}" if i % 2 else binary_of(i) for i in range(500)]
    sending = asyncio.create_task(_send_all(ws, messages))
    for message in messages:
        same(await ws.recv(), message)
    await sending


async def _send_all(ws, messages):
    for message in messages:
        await ws.send(message)


def closing(code, reason):
    async def run(ws):
        await ws.close(code, reason)
        same(ws.protocol.close_rcvd and ws.protocol.close_rcvd.code, code, "code of the answer")

    return run


def messages(*contents):
    async def run(ws):
        for message in contents:
            await echoes(ws, message)

    return run


RUNS = {
    "text and binary": messages("héllo, 世界 🌍", b"\x00\xff\x80"),
    "empty": messages("", b""),
    **{f"{size} bytes, text and binary": messages(text_of(size), binary_of(size)) for size in SIZES},
    "fragmented with pings between": fragmented,
    "text cut inside its characters": cut_characters,
    "pings": pings,
    "500 messages": many,
    "close 1000": closing(1000, ""),
    "close 1001 with a reason": closing(1001, "going"),
    "close 4999 with the longest reason": closing(4999, "é世🌍" * 13 + "x" * 6),
}

results = {}  # by mode and name: "ok", or why not


def all_cases(*options):
    @case(" ".join(["autobahn_client", *options, "asks for all cases and for the report"]), limit=100)
    async def _():
        asked = []

        async def handler(ws):
            url = urlsplit(ws.request.path)
            query = parse_qs(url.query)
            asked.append(ws.request.path)
            compressed = [extension.name for extension in ws.protocol.extensions] == ["permessage-deflate"]
            same(compressed, "--deflate" in options, "whether messages are compressed")
            if url.path == "/getCaseCount":
                await ws.send(str(len(RUNS)))
            elif url.path == "/runCase":
                name, run = list(RUNS.items())[int(query["case"][0]) - 1]
                try:
                    await asyncio.wait_for(run(ws), 20)
                    await ws.close()
                    results[options, name] = "ok"
                except Exception as error:
                    results[options, name] = f"{type(error).__name__}: {error}"

        async with serve(handler, compression="deflate") as url:
            base = url.removesuffix("/chat?room=1")
            async with Client(base, *options, program="autobahn_client") as driver:
                _, errors = await driver.process.communicate()
                same((driver.process.returncode, errors), (0, b""), "exit status, and what it complains of")
        expected = ["/getCaseCount"]
        expected += [f"/runCase?case={n}&agent=sockless" for n in range(1, len(RUNS) + 1)]
        same(asked, expected + ["/updateReports?agent=sockless"], "what was asked for")


all_cases()
all_cases("--deflate")


@case("autobahn_client: a server that resets after both Close frames, and one that it has to fail, are no errors")
async def _():
    kinds = iter([b"\x81\x012\x88\x02\x03\xe8", b"\x83\x00", b"\x88\x00", b"\x88\x02\x03\xe8"])

    async def after(reader, writer, answer):
        writer.write(answer + next(kinds))
        while (await client_frame(reader))[0] != 0x88:
            pass
        reset(writer)

    async with raw_server(after) as url, Client(url, program="autobahn_client") as driver:
        _, errors = await driver.process.communicate()
        same((driver.process.returncode, errors), (0, b""), "exit status, and what it complains of")


@case("autobahn_client: bad usage, and nobody listens")
async def _():
    for arguments, status in (([], 2), (["nonsense"], 2), (["ws://127.0.0.1:1", "more"], 2), (["ws://127.0.0.1:1"], 1)):
        async with Client(*arguments, program="autobahn_client") as driver:
            _, errors = await driver.process.communicate()
            same(driver.process.returncode, status, f"exit status with {arguments}")
            same(errors.startswith(b"autobahn_client: "), True, f"{errors} begins with the name of the program")


def run_case(name, *options):
    @case(" ".join(["autobahn_client", *options]) + f": {name}")
    async def _():
        same(results.get((options, name), "was not run"), "ok", "result")


for run in RUNS:
    run_case(run)
    run_case(run, "--deflate")

main("websockets server")
