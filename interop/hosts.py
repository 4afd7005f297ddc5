"""The servers in `drivers/hosts` from outside: mistakes, Ctrl-C in order, deadlines, and what an idle connection costs."""

import asyncio
import ctypes
import os
import resource
import signal
import struct
import subprocess
import time
from urllib.parse import urlsplit

from cases import TRIES, Early, case, machine_late, main, patiently, resident_kilobytes, same
from raw import frame, head, opened, refused, response

HOSTS = os.environ["HOSTS"]
SERVERS = ("mio", "io_uring", "embedded_io")
IN_ORDER = ("mio", "io_uring")  # those that close connections when they are interrupted
CLOSE_1001 = b"\x88\x02" + struct.pack(">H", 1001)
MILLIS = 600  # the deadlines, in the cases about them
LATE = 0.4  # how much later a busy machine may notice


class Started:
    """A server on a free port."""

    def __init__(self, program, *options):
        self.command = [os.path.join(HOSTS, program), "0", *options]

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(*self.command, stdout=asyncio.subprocess.PIPE)
        self.port = urlsplit((await self.process.stdout.readline()).decode().strip()).port
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


async def run(program, *arguments, **options):
    """Exit status, standard output and standard error of a program that ends by itself."""
    pipe = asyncio.subprocess.PIPE
    command = [os.path.join(HOSTS, program), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, **options
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 10)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode, out.decode(), errors.decode()


def mistake(program, *arguments, says):
    @case(" ".join([program, *arguments]) + ": exit status 2")
    async def _():
        status, out, errors = await run(program, *arguments)
        same((status, out), (2, ""), "exit status and standard output")
        same(errors.startswith(f"{program}: ") and says in errors and errors.endswith("Try --help.\n"), True, errors)


def cases_of(program):
    @case(f"{program} --help")
    async def _():
        for flag in ("--help", "-h"):
            status, out, errors = await run(program, flag)
            same((status, errors), (0, ""), "exit status and standard error")
            same(f"Usage: {program} " in out, True, "usage in what it prints")

    mistake(program, "nonsense", says="'nonsense' is not a port")
    mistake(program, "99999", says="'99999' is not a port")
    mistake(program, "nonsense:1", says="'nonsense:1' is not an address")
    mistake(program, "0", "1", says="one port is enough: '1'")
    mistake(program, "--unknown", says="'--unknown'")
    mistake(program, "--origin", says="'--origin'")


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
    @case(f"{program}: Ctrl-C closes connections with 1001, and ends once they are closed")
    async def _():
        async with Started(program) as server:
            reader, writer = await opened(server.port)
            silent = await asyncio.open_connection("127.0.0.1", server.port)  # no head yet
            writer.write(frame(0x81, b"hi"))
            same(await reader.readexactly(4), b"\x81\x02hi", "echo")
            server.process.send_signal(signal.SIGINT)
            same(await reader.readexactly(4), CLOSE_1001, "Close")
            while not await refused(server.port):
                await asyncio.sleep(0.01)
            same(server.process.returncode, None, "it waits for the answer")
            writer.write(frame(0x88, struct.pack(">H", 1001)))
            same(await reader.read(), b"", "end of the stream")
            writer.close()
            same(await asyncio.wait_for(server.process.wait(), 5), 0, "exit status")
            silent[1].close()

    @case(f"{program}: a second Ctrl-C ends it at once")
    async def _():
        async with Started(program) as server:
            reader, writer = await opened(server.port)
            server.process.send_signal(signal.SIGINT)
            same(await reader.readexactly(4), CLOSE_1001, "Close")
            server.process.send_signal(signal.SIGINT)
            same(await asyncio.wait_for(server.process.wait(), 5), 130, "exit status")
            writer.close()


def deadlines_of(program):
    """Each deadline is `MILLIS`; none is early. What was late is tried again."""

    def timed(name, limit=20):
        def register(function):
            async def once():
                async with Started(program, "--patience", str(MILLIS)) as server:
                    await function(server.port)

            name_of = f"{program}: {name}"
            case(name_of, TRIES * (limit + 2))(lambda: patiently(name_of, once, limit))

        return register

    def deadline(name, times=1, slack=0.0, early=0.0):
        def register(function):
            @timed(name)
            async def _(port):
                began = time.monotonic()
                began = await function(port) or began
                took = time.monotonic() - began
                due = times * MILLIS / 1000 + slack
                if not due - early <= took <= due + LATE + machine_late():
                    kind = Early if took < due - early else AssertionError
                    raise kind(f"after {took:.3f} s, due after {due:.3f} s")

        return register

    @deadline("who sends nothing is dropped")
    async def _(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        same(await reader.read(), b"", "what is sent")
        writer.close()

    @deadline("a head that does not end is answered with 408")
    async def _(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head()[:20])
        status, _, _ = await response(reader)
        same(status, 408, "status")
        writer.close()

    @deadline("a message that does not end is closed with 1008", slack=0.004)
    async def _(port):
        reader, writer = await opened(port)
        began = time.monotonic()
        writer.write(frame(0x82, b"12", length=1000))  # 2 bytes at 500 a second, after the grace
        first = None
        while first != 0x88:  # before that come Pings, and from who sends back chunks, the first one
            first, length = await reader.readexactly(2)
            payload = await reader.readexactly(length)
        same(struct.unpack(">H", payload[:2]), (1008,), "close code")
        writer.close()
        return began

    @deadline("who does not answer a Ping is closed with 1011", times=2)
    async def _(port):
        reader, writer = await opened(port)
        began = time.monotonic()
        writer.write(frame(0x8A, b"the last byte"))
        first, length = await reader.readexactly(2)
        same(first, 0x89, "Ping")
        await reader.readexactly(length)
        first, _, code = struct.unpack(">BBH", await reader.readexactly(4))
        same((first, code), (0x88, 1011), "Close")
        writer.close()
        return began

    @deadline("who does not answer a Close is dropped")
    async def _(port):
        reader, writer = await opened(port)
        began = time.monotonic()
        writer.write(frame(0xC1, b"bad"))
        first, length = await reader.readexactly(2)
        await reader.readexactly(length)
        same((first, await reader.read()), (0x88, b""), "Close, and the end of the stream")
        # Our direction stays open: the server waits for its end, and resets what comes later.
        while True:
            try:
                writer.write(b"x")
                await writer.drain()
            except ConnectionError:
                return began
            await asyncio.sleep(0.01)

    # The kernel goes on to take bytes from us after it took the server's last one: that is no bound from below.
    @deadline("who reads nothing is dropped", early=MILLIS / 1000)
    async def _(port):
        data, start = frame(0x82, bytes(60000)), time.monotonic()
        reader, writer = await opened(port)
        reader._transport.pause_reading()
        last = time.monotonic()
        while True:
            try:
                writer.write(data)
                await asyncio.wait_for(writer.drain(), 0.1)
                last = time.monotonic()  # something was still taken
            except TimeoutError:
                pass
            except ConnectionError:
                same(time.monotonic() - start >= MILLIS / 1000, True, "not before the deadline")
                return last

    @timed("who answers Pings stays")
    async def _(port):
        reader, writer = await opened(port)
        for _ in range(3):
            first, length = await asyncio.wait_for(reader.readexactly(2), 3)
            same(first, 0x89, "Ping")
            writer.write(frame(0x8A, await reader.readexactly(length)))
        writer.write(frame(0x81, b"here"))
        same(await reader.readexactly(6), b"\x81\x04here", "echo")
        writer.close()


def idle(program, most):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = 9900 if hard == resource.RLIM_INFINITY else min(9900, hard - 200)

    @case(f"{program}: {count} idle connections hold at most {most} bytes each, after a message of 100 kB, too", limit=120)
    async def _():
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, hard))
        # Nobody is pinged, however long it takes to open all of them.
        async with Started(program, "--patience", "600000") as server:
            process = server.process.pid
            first = await opened(server.port)  # what there is once for all
            await echo(first, 100_000)
            before, peers = resident_kilobytes(process), []
            while len(peers) < count:
                peers += await asyncio.gather(*(opened(server.port) for _ in range(100)))
            silent = resident_kilobytes(process)
            for peer in peers:
                await echo(peer, 16)
            for peer in peers[:100]:
                await echo(peer, 100_000)
            after = resident_kilobytes(process)
            for _, writer in peers:
                writer.transport.abort()
        each = [round((now - before) * 1024 / count) for now in (silent, after)]
        print(f"-- {program}: {each[0]} bytes for each idle connection, {each[1]} after traffic", flush=True)
        same(max(each) <= most, True, f"{each} bytes")


async def echo(peer, size):
    reader, writer = peer
    data = bytes(size)
    writer.write(frame(0x82, data))
    header = 2 if size < 126 else 4 if size < 1 << 16 else 10
    same((await reader.readexactly(header + size))[header:] == data, True, "echo")


@case("io_uring: where the kernel does not permit it, the exit status is 69 and the reason is said")
async def _():
    status, out, errors = await run("io_uring", "0", preexec_fn=without_io_uring)
    same((status, out), (69, ""), "exit status and standard output")
    same(errors.startswith("io_uring: the kernel does not permit io_uring: "), True, errors)


def without_io_uring():
    """From now on io_uring_setup fails with EPERM in this process, as in most containers."""
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
    filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(filter)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    no_new_privileges, set_seccomp, by_filter = 38, 22, 2
    for arguments in ((no_new_privileges, 1, 0, 0, 0), (set_seccomp, by_filter, program)):
        if prctl(*arguments):
            raise OSError(ctypes.get_errno(), "prctl")


def io_uring_is_there():
    command = [os.path.join(HOSTS, "io_uring"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        serves = process.stdout.readline() != b""
        process.kill()
    return serves or process.returncode != 69


for server in SERVERS:
    cases_of(server)
    if server != "io_uring" or io_uring_is_there():
        busy(server)
        deadlines_of(server)
        if server in IN_ORDER:
            interrupted(server)
idle("mio", 320)

main("hosts")
