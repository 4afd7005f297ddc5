"""The examples as somebody meets them who has read nothing: `--help`, mistakes, Ctrl-C, `kill`, a browser in the wrong place.

    stranger.py [tokio]    those of the crate, or those of `drivers/tokio`
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from urllib.parse import urlsplit

from cases import case, main, resident_kilobytes, same
from raw import frame, head, opened, refused, response

EXAMPLES = os.environ["EXAMPLES"]
TOKIO = "tokio" in sys.argv
FEED = urlsplit(os.environ["FEED"]).port
FEED_PROCESS = os.environ["FEED_PROCESS"]
SERVERS = ("echo", "hyper_echo", "axum_echo") if TOKIO else ("echo", "feed")
OTHERS = ("http2", "idle_memory") if TOKIO else ("deflate", "replace")


async def run(program, *arguments):
    """Exit status, standard output and standard error of a program that ends by itself."""
    pipe = asyncio.subprocess.PIPE
    command = [os.path.join(EXAMPLES, program), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 10)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode, out.decode(), errors.decode()


def help_case(program):
    @case(f"{program} --help")
    async def _():
        for flag in ("--help", "-h"):
            status, out, errors = await run(program, flag)
            same((status, errors), (0, ""), "exit status and standard error")
            same(f"Usage: {program} " in out, True, "usage in what it prints")


for program in (*SERVERS, *OTHERS, "client", "autobahn_client"):
    help_case(program)


def mistake(program, *arguments, status=2, says):
    @case(" ".join([program, *arguments]) + f": exit status {status}")
    async def _():
        got, out, errors = await run(program, *arguments)
        same((got, out), (status, ""), "exit status and standard output")
        if not errors.startswith(f"{program}: ") or says not in errors or "Error" in errors or "{" in errors:
            raise AssertionError(f"no plain sentence with {says!r}: {errors!r}")


for program in SERVERS:
    mistake(program, "nonsense", says="'nonsense' is not a port")
    mistake(program, "99999", says="'99999' is not a port")
    mistake(program, "0", "1", says="one port is enough")
    mistake(program, "--unknown", says="'--unknown'")
    mistake(program, "--origin", says="'--origin'")
    mistake(program, "--timeout", "ping-after", says="'ping-after' is not the name of a deadline")
    mistake(program, "--timeout", "close=soon", says="'close=soon' is not")
if TOKIO:
    mistake("echo", "--tls", "/nowhere/file", status=1, says="cannot write the certificate to '/nowhere/file'")
    mistake("http2", "nonsense", says="'nonsense' is not a port")
    mistake("idle_memory", "nonsense", says="'nonsense' is not a number")
    mistake("idle_memory", "10", "20", says="one number is enough: '20'")
    mistake("autobahn_client", "ws://127.0.0.1:1/", status=1, says="cannot ask ws://127.0.0.1:1: ")
    mistake("client", "wss://127.0.0.1/", "--trust", "/nowhere/file", says="'/nowhere/file'")
else:
    mistake("feed", "--every", "0", says="'0' is not a number of seconds")
    mistake("replace", "nonsense", says="'nonsense' is not a port")
    mistake("deflate", says="which port, or which server?")
    mistake("deflate", "nonsense", says="'nonsense'")
    mistake("deflate", "0", "1", says="one port or server is enough: '1'")
    mistake("deflate", "ws://127.0.0.1:1/", status=1, says="cannot reach 127.0.0.1:1: ")
    mistake("client", "wss://127.0.0.1/", says="TLS")
mistake("client", says="which server?")
mistake("client", "nonsense", says="'nonsense'")
mistake("client", "ws://127.0.0.1:1/", status=4, says="cannot reach 127.0.0.1:1")


def busy(program):
    @case(f"{program}: a port that is taken: exit status 1")
    async def _():
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            status, out, errors = await run(program, str(port))
        same((status, out), (1, ""), "exit status and standard output")
        same(errors.startswith(f"{program}: cannot listen on 127.0.0.1:{port}: "), True, errors)


@contextlib.asynccontextmanager
async def serving(program, *options, errors=asyncio.subprocess.PIPE):
    """A server of this case's own, and its port."""
    command = [os.path.join(EXAMPLES, program), "0", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=errors)
    try:
        yield process, urlsplit((await process.stdout.readline()).decode().strip()).port
    finally:
        if process.returncode is None:
            process.kill()


async def close_frame(reader):
    """The payload of the next Close."""
    while True:
        first, length = await reader.readexactly(2)
        payload = await reader.readexactly(length)
        if first == 0x88:
            return payload


def interrupted(program):
    @case(f"{program}: Ctrl-C closes all connections with 1001, accepts no more, and ends")
    async def _():
        for sign in (signal.SIGINT, signal.SIGTERM):
            async with serving(program) as (process, port):
                idle, within, waiting = await opened(port), await opened(port), await asyncio.open_connection("127.0.0.1", port)
                within[1].write(frame(0x01, b"half a message"))
                waiting[1].write(head()[:40])
                silent = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.sleep(0.3)
                process.send_signal(sign)
                for reader, writer in (idle, within):
                    same((await close_frame(reader))[:2], b"\x03\xe9", "code of the Close")
                while not await refused(port):
                    await asyncio.sleep(0.01)
                same(process.returncode, None, "it waits for the answers")
                for reader, writer in (idle, within):
                    writer.write(frame(0x88, b"\x03\xe9"))
                    same(await reader.read(), b"", "what follows")
                    writer.close()
                _, errors = await asyncio.wait_for(process.communicate(), 5)
                same((process.returncode, errors.count(b"\n")), (0, 1), f"exit status, and lines of {errors}")
                waiting[1].close()
                silent[1].close()

    @case(f"{program}: one who does not answer the Close is dropped at its deadline")
    async def _():
        async with serving(program, "--timeout", "close=0.5") as (process, port):
            reader, writer = await opened(port)
            await asyncio.sleep(0.3)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            await close_frame(reader)
            await asyncio.wait_for(process.wait(), 5)
            same(0.5 <= time.monotonic() - began < 5, True, "half a second later")
            same(process.returncode, 0, "exit status")
            writer.close()

    @case(f"{program}: Ctrl-C again ends it at once")
    async def _():
        async with serving(program, "--timeout", "close=off") as (process, port):
            reader, writer = await opened(port)
            await asyncio.sleep(0.3)
            process.send_signal(signal.SIGINT)
            await close_frame(reader)
            process.send_signal(signal.SIGINT)
            same(await asyncio.wait_for(process.wait(), 5), 130, "exit status")
            writer.close()

    @case(f"{program}: Ctrl-C again, before the first has been told, ends it, too")
    async def _():
        out, full = os.pipe()
        os.set_blocking(full, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(full, bytes(1 << 12))
        os.set_blocking(full, True)
        async with serving(program, "--timeout", "close=off", errors=full) as (process, port):
            os.close(full)
            reader, writer = await opened(port)
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(1)
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.3)
            with open(out, "rb") as told:
                await asyncio.wait_for(asyncio.to_thread(told.read), 5)
            same(await asyncio.wait_for(process.wait(), 5), 130, "exit status")
            writer.close()


@case("Ctrl-C ends a server, too, if nobody reads any more what it says")
async def _():
    for program in SERVERS:
        out, told = os.pipe()
        os.close(out)
        async with serving(program, errors=told) as (process, port):
            os.close(told)
            reader, writer = await opened(port)
            process.send_signal(signal.SIGINT)
            same((program, (await close_frame(reader))[:2]), (program, b"\x03\xe9"), "code of the Close")
            writer.write(frame(0x88, b"\x03\xe9"))
            same(await reader.read(), b"", "what follows")
            writer.close()
            same((program, await asyncio.wait_for(process.wait(), 5)), (program, 0), "exit status")


@case("one deadline for all: who is not closed 10.5 s after Ctrl-C is dropped")
async def _():
    async def one(program):
        async with serving(program, "--timeout", "close=off") as (process, port):
            reader, writer = await opened(port)
            await asyncio.sleep(0.3)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, errors = await asyncio.wait_for(process.communicate(), 15)
            same(10.4 < time.monotonic() - began < 15, True, f"{program}: after 10.5 s")
            same(process.returncode, 1, f"{program}: exit status")
            same(b"one connection took too long to close" in errors, True, f"{program}: {errors}")
            writer.close()

    await asyncio.gather(*(one(program) for program in SERVERS))


@case("a peer that is killed: the server goes on")
async def _():
    code = "import os, socket, sys, time; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
    code += "s.sendall(bytes.fromhex(sys.argv[2])); s.recv(1000); print('open', flush=True); time.sleep(60)"
    for program in SERVERS:
        async with serving(program) as (process, port):
            pipe = asyncio.subprocess.PIPE
            command = [sys.executable, "-c", code, str(port), (head() + frame(0x01, b"cut")).hex()]
            peer = await asyncio.create_subprocess_exec(*command, stdout=pipe)
            same(await peer.stdout.readline(), b"open\n", "the peer is connected")
            peer.kill()
            await peer.wait()
            reader, writer = await opened(port)
            writer.close()
            same((process.returncode, program), (None, program), "still running")


for program in SERVERS:
    busy(program)
    interrupted(program)
for program in OTHERS[:1] if TOKIO else OTHERS:
    busy(program)


if not TOKIO:

    @case("replace: Ctrl-C closes all connections with 1001 and ends, before it was replaced and after")
    async def _():
        for replaced in (False, True):
            async with serving("replace") as (process, port):
                reader, writer = await opened(port)
                if replaced:
                    control, asking = await asyncio.open_connection("127.0.0.1", port)
                    asking.write(b"GET /replace HTTP/1.1\r\nHost: a\r\n\r\n")
                    same((await response(control))[0], 200, "answer")
                    asking.close()
                for count in range(1, 100):
                    writer.write(frame(0x81, b"hello"))
                    start = await reader.readexactly(2)
                    number, answering, text = (await reader.readexactly(start[1])).split(b" ")
                    same((number, text), (str(count).encode(), b"hello"), "answer")
                    if (int(answering) != process.pid) == replaced:
                        break
                    await asyncio.sleep(0.05)
                os.kill(int(answering), signal.SIGINT)
                same((await close_frame(reader))[:2], b"\x03\xe9", "code of the Close")
                writer.write(frame(0x88, b"\x03\xe9"))
                same(await asyncio.wait_for(reader.read(), 5), b"", "what follows")
                writer.close()
                _, errors = await asyncio.wait_for(process.communicate(), 5)  # of both processes
                same((process.returncode, await refused(port)), (0, True), f"exit status, and whether nobody listens; {errors}")

    @case("replace: Ctrl-C while it is being replaced is heard")
    async def _():
        async with serving("replace") as (process, port):
            reader, writer = await opened(port)
            # Half a message, which holds the replacement up.
            writer.write(frame(0x81, b"one") + frame(0x81, b"two")[:7])
            start = await reader.readexactly(2)
            await reader.readexactly(start[1])
            control, asking = await asyncio.open_connection("127.0.0.1", port)
            asking.write(b"GET /replace HTTP/1.1\r\nHost: a\r\n\r\n")
            same((await response(control))[0], 200, "answer")
            asking.close()
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.stderr.readline(), 5)
            await asyncio.sleep(0.5)  # it is told right before it takes effect
            writer.write(frame(0x81, b"two")[7:])
            start = await reader.readexactly(2)
            same((await reader.readexactly(start[1]))[:2], b"2 ", "answer")
            same((await close_frame(reader))[:2], b"\x03\xe9", "code of the Close")
            writer.write(frame(0x88, b"\x03\xe9"))
            same(await asyncio.wait_for(reader.read(), 5), b"", "what follows")
            writer.close()
            await asyncio.wait_for(process.communicate(), 5)  # of both processes
            same((process.returncode, await refused(port)), (0, True), "exit status, and whether nobody listens")

    @case("feed: a browser that asks for a page is told that it is in the wrong place")
    async def _():
        reader, writer = await asyncio.open_connection("127.0.0.1", FEED)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        status, headers, body = await response(reader)
        same((status, headers.get("upgrade"), headers.get("sec-websocket-version")), (426, "websocket", "13"), "answer")
        same(b"WebSocket" in body, True, "the body says so")
        same(await reader.read(), b"", "the end")
        writer.close()

    @case("feed: a flood of Pings costs no memory")
    async def _():
        reader, writer = await opened(FEED)
        before, pings = resident_kilobytes(FEED_PROCESS), frame(0x89, b"x" * 125) * 1000
        pongs = asyncio.create_task(reader.read(-1))
        end = time.monotonic() + 4
        while time.monotonic() < end:
            writer.write(pings)
            await writer.drain()
        grown = resident_kilobytes(FEED_PROCESS) - before
        writer.write(frame(0x88, b"\x03\xe8"))
        writer.write_eof()
        received = await pongs
        writer.close()
        same(grown < 16 << 10, True, f"less than 16 MiB more than before: {grown} kB")
        same(received[-4:], b"\x88\x02\x03\xe8", "the Close frame comes last")

    @case("feed: one who sends Pings and reads nothing holds up nobody, and costs no memory")
    async def _():
        _, flooding = await opened(FEED)
        reader, writer = await opened(FEED)
        before, pings = resident_kilobytes(FEED_PROCESS), frame(0x89, b"x" * 125) * 1000
        flooding.transport.pause_reading()

        async def flood():
            with contextlib.suppress(ConnectionError):
                while True:
                    flooding.write(pings)
                    await flooding.drain()

        task = asyncio.create_task(flood())
        try:
            end = time.monotonic() + 8
            while time.monotonic() < end:
                await asyncio.wait_for(reader.readexactly(1), 5)  # the other still gets its messages
            grown = resident_kilobytes(FEED_PROCESS) - before
        finally:
            task.cancel()
            flooding.transport.abort()
            writer.close()
        same(grown < 16 << 10, True, f"less than 16 MiB more than before: {grown} kB")


main("stranger of tokio" if TOKIO else "stranger")
