"""The examples as somebody meets them who has read nothing: `--help`, mistakes, Ctrl-C, a browser in the wrong place."""

import asyncio
import os
import signal
import time
from urllib.parse import urlsplit

from cases import case, main, resident_kilobytes, same
from raw import frame, head, opened, response

EXAMPLES = os.environ["EXAMPLES"]
FEED = urlsplit(os.environ["FEED"]).port
FEED_PROCESS = os.environ["FEED_PROCESS"]
SERVERS = ("echo", "feed")


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


for program in (*SERVERS, "client", "autobahn_client"):
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
mistake("feed", "--every", "0", says="'0' is not a number of seconds")
mistake("client", says="which server?")
mistake("client", "nonsense", says="'nonsense'")
mistake("client", "wss://127.0.0.1/", says="TLS")
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


def interrupted(program):
    @case(f"{program}: Ctrl-C ends it at once, with connections open")
    async def _():
        command = [os.path.join(EXAMPLES, program), "0"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            port = urlsplit((await process.stdout.readline()).decode().strip()).port
            _, writer = await opened(port)
            process.send_signal(signal.SIGINT)
            same(await asyncio.wait_for(process.wait(), 5), -signal.SIGINT, "exit status")
            writer.close()
        finally:
            if process.returncode is None:
                process.kill()


for program in SERVERS:
    busy(program)
    interrupted(program)


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


@case("feed: one who sends Pings and reads nothing holds up nobody, and is dropped", limit=60)
async def _():
    _, flooding = await opened(FEED)
    reader, writer = await opened(FEED)
    before, pings = resident_kilobytes(FEED_PROCESS), frame(0x89, b"x" * 125) * 1000
    flooding.transport.pause_reading()
    dropped = False

    async def flood():
        nonlocal dropped
        try:
            while True:
                flooding.write(pings)
                await flooding.drain()
        except ConnectionError:
            dropped = True

    task = asyncio.create_task(flood())
    try:
        end = time.monotonic() + 50
        while not dropped and time.monotonic() < end:
            await asyncio.wait_for(reader.readexactly(1), 3)  # the other still gets its messages
        grown = resident_kilobytes(FEED_PROCESS) - before
    finally:
        task.cancel()
        flooding.transport.abort()
        writer.close()
    same(dropped, True, "dropped")
    same(grown < 16 << 10, True, f"less than 16 MiB more than before: {grown} kB")


main("stranger")
