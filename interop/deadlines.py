"""Peers that stop, dribble, never read or never answer: each is closed within its deadline plus 200 ms, and none before.

    deadlines.py echo|feed

The example is started with short deadlines. Bare TCP peers see for themselves when they are closed. Real peers (Python
`websockets`, `ws`, Chromium) are stopped by SIGSTOP, and `echo` says when it has given them up. A machine that is busy with
something else can be late: how late it wakes one that only sleeps is added, and a case that fails is run again, a few times,
and says so. What was early fails at once.
"""

import asyncio
import os
import signal
import sys
import time

from cases import TRIES, Early, case, machine_late, main, patiently
from raw import frame, head, response

PROGRAM = sys.argv[1]
EXAMPLES = os.environ["EXAMPLES"]
HANDSHAKE, PING, PONG, MESSAGE, WRITE, CLOSE = 1.0, 0.5, 0.7, 1.0, 1.0, 0.8
RATE = 500  # bytes a second that a message may take in addition
TIMEOUTS = {"handshake": HANDSHAKE, "ping-after": PING, "pong-within": PONG, "message": MESSAGE, "write": WRITE, "close": CLOSE}
SLACK = 0.2


class Server:
    """The example, with short deadlines; and what it says of each connection that it has given up."""

    async def __aenter__(self):
        pipe = asyncio.subprocess.PIPE
        flags = [flag for name, seconds in TIMEOUTS.items() for flag in ("--timeout", f"{name}={seconds}")]
        self.process = await asyncio.create_subprocess_exec(
            os.path.join(EXAMPLES, PROGRAM), "0", *flags, stdout=pipe, stderr=pipe
        )
        self.port = int((await self.process.stdout.readline()).decode().strip().rstrip("/").rsplit(":", 1)[1])
        return self

    async def __aexit__(self, *_):
        self.process.kill()
        await self.process.wait()

    async def says(self, *words):
        """When it has said that of a connection."""
        line = (await self.process.stderr.readline()).decode()
        now = time.monotonic()
        if not any(word in line for word in words):
            raise AssertionError(f"the server says {line!r}")
        return now

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def opened(self):
        reader, writer = await self.connect()
        writer.write(head())
        if (await response(reader))[0] != 101:
            raise AssertionError("not opened")
        return reader, writer


def within(what, took, least, most=None):
    """Due after `least` seconds; where that is not known exactly, after `most` at the latest."""
    if not least <= took <= (most or least) + SLACK + machine_late():
        kind = Early if took < least else AssertionError
        raise kind(f"{what} after {took:.3f} s, due after {least:.3f} s")


def timed(name, programs="echo feed", limit=20):
    """A case that is run again if it fails."""

    def register(function):
        async def once():
            async with Server() as server:
                await function(server)

        if PROGRAM in programs.split():
            case(name, TRIES * (limit + 2))(lambda: patiently(f"{PROGRAM}: {name}", once, limit))

    return register


async def until(reader, first):
    """Reads frames until one begins with this byte; returns its payload."""
    while True:
        start = await reader.readexactly(2)
        length = start[1]
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        payload = await reader.readexactly(length)
        if start[0] == first:
            return payload


async def dropped(reader):
    """Reads until the stream ends."""
    try:
        while await reader.read(1 << 16):
            pass
    except ConnectionError:
        pass


async def dribble(writer, data, every):
    try:
        for byte in data:
            if writer.is_closing():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(every)
    except ConnectionError:
        pass


@timed("nothing is sent: dropped")
async def _(server):
    start = time.monotonic()
    reader, writer = await server.connect()
    await dropped(reader)
    within("dropped", time.monotonic() - start, HANDSHAKE)
    writer.close()


@timed("a head dribbles: 408")
async def _(server):
    start = time.monotonic()
    reader, writer = await server.connect()
    task = asyncio.create_task(dribble(writer, head(), 0.05))
    answer = await reader.readexactly(12)
    within("answered", time.monotonic() - start, HANDSHAKE)
    if answer != b"HTTP/1.1 408":
        raise AssertionError(f"{answer}")
    task.cancel()
    writer.close()


@timed("a message dribbles: 1008; the Close is not answered: dropped")
async def _(server):
    reader, writer = await server.opened()
    start = time.monotonic()
    writer.write(frame(0x82, b"", length=1000))
    task = asyncio.create_task(dribble(writer, bytes(900), 0.1))
    payload = await until(reader, 0x88)
    closed = time.monotonic()
    # The bytes that have come by then take their time: the header, and one every tenth of a second.
    within("closed", closed - start, MESSAGE + 8 / RATE, MESSAGE + 25 / RATE)
    if payload[:2] != (1008).to_bytes(2, "big"):
        raise AssertionError(f"{payload}")
    await dropped(reader)
    within("dropped", time.monotonic() - start, MESSAGE + 8 / RATE + CLOSE, MESSAGE + 25 / RATE + CLOSE)
    task.cancel()
    writer.close()


@timed("Pings are not answered: 1011, and dropped")
async def _(server):
    reader, writer = await server.opened()
    start = time.monotonic()
    writer.write(frame(0x8A, b"the last byte"))
    await writer.drain()
    sent = time.monotonic() - start
    await until(reader, 0x89)
    within("pinged", time.monotonic() - start, PING, PING + sent)
    payload = await until(reader, 0x88)
    within("closed", time.monotonic() - start, PING + PONG, PING + PONG + sent)
    if payload[:2] != (1011).to_bytes(2, "big"):
        raise AssertionError(f"{payload}")
    await dropped(reader)
    within("dropped", time.monotonic() - start, PING + PONG + CLOSE, PING + PONG + CLOSE + sent)
    writer.close()


@timed("any byte is life: Pings are answered by messages alone, and nobody is closed")
async def _(server):
    reader, writer = await server.opened()
    end = time.monotonic() + 3
    task = asyncio.create_task(until(reader, 0x88))
    while time.monotonic() < end:
        writer.write(frame(0x81, b"still here"))
        await asyncio.sleep(PING + PONG / 2)
    if task.done():
        raise AssertionError(f"closed with {task.result()}")
    task.cancel()
    writer.close()


def in_kernel(near, far):
    """How many bytes wait in the kernel between two ports: those that one has written and the other has not read. None if
    there is no such connection any more. Linux only."""
    waiting = None
    with open("/proc/net/tcp") as table:
        for row in table.readlines()[1:]:
            local, remote, _, queues = row.split()[1:5]
            ports = [int(address.split(":")[1], 16) for address in (local, remote)]
            written, unread = (int(queue, 16) for queue in queues.split(":"))
            if ports == [near, far]:
                waiting = (waiting or 0) + written
            elif ports == [far, near]:
                waiting = (waiting or 0) + unread
    return waiting


@timed("messages are sent and none is read: dropped", "echo")
async def _(server):
    _, writer = await server.opened()
    port = writer.get_extra_info("sockname")[1]
    writer.transport.pause_reading()
    message, samples, before = frame(0x82, bytes(1 << 16)), [], time.monotonic()
    while True:
        if writer.transport.get_write_buffer_size() < 1 << 20 and not writer.is_closing():
            writer.write(message)
        now = time.monotonic()
        waiting = in_kernel(server.port, port)
        if waiting is None:
            break
        samples.append((before, now, waiting))
        before = now
        await asyncio.sleep(0.005)
    most = 0
    for at, (before, after, _) in enumerate(samples):
        # What was sent and not acknowledged waits at both ends, and is counted twice for a moment.
        lasting = min(waiting for _, later, waiting in samples[at : at + 40] if later <= after + 0.15)
        if lasting > most:
            # The kernel has taken something from the server between these two.
            most, taken = lasting, (before, after)
    earliest, latest = (now - moment for moment in taken)
    if not (latest - 0.02 <= WRITE + SLACK + machine_late() and earliest >= WRITE):
        raise AssertionError(f"dropped {latest:.3f} s to {earliest:.3f} s after the last byte, due after {WRITE:.3f} s")
    writer.transport.abort()


# ---------------------------------------------------------------- real peers, stopped

PYTHON = """
import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1], ping_interval=None, proxy=None) as ws:
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await ws.send("hello")
        await ws.recv()
        print("sent", flush=True)
        await ws.wait_closed()
asyncio.run(main())
"""
NODE = """
const ws = new (require("ws"))(process.argv[1]);
ws.on("open", () => console.log("open"));
process.stdin.once("data", () => ws.send("hello"));
ws.on("message", () => console.log("sent"));
"""
# The profile must be empty, and no process may be shared with another browser.
CHROMIUM = """
const { chromium } = require("playwright-core");
(async () => {
  const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
  const page = await browser.newPage();
  await page.evaluate((url) => new Promise((opened) => {
    window.ws = new WebSocket(url);
    ws.onopen = opened;
  }), process.argv[1]);
  console.log("open");
  await new Promise((line) => process.stdin.once("data", line));
  await page.evaluate(() => new Promise((answered) => { ws.onmessage = answered; ws.send("hello"); }));
  console.log("sent");
  await new Promise(() => {});
})();
"""


def tree(process):
    """A process and all below it."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    parents.setdefault(int(stat.read().rsplit(") ", 1)[1].split()[1]), []).append(int(name))
            except OSError:
                pass
    found = [process]
    for one in found:
        found += parents.get(one, [])
    return found


def stopped(name, *command):
    @timed(f"{name} is stopped: given up", "echo", limit=40)
    async def _(server):
        pipe = asyncio.subprocess.PIPE
        peer = await asyncio.create_subprocess_exec(
            *command, f"ws://127.0.0.1:{server.port}/", stdin=pipe, stdout=pipe, start_new_session=True
        )
        everything = [peer.pid]
        try:
            line = await peer.stdout.readline()
            if line != b"open\n":
                raise AssertionError(f"{line}")
            await asyncio.sleep(2 * (PING + PONG))  # it answers Pings
            start = time.monotonic()
            peer.stdin.write(b"go\n")
            line = await peer.stdout.readline()
            everything = tree(peer.pid)
            for process in everything:
                os.kill(process, signal.SIGSTOP)
            # Its last byte came between these two.
            latest = time.monotonic() - start
            if line != b"sent\n" or latest > PING:
                raise AssertionError(f"{line} after {latest:.3f} s")
            due = PING + PONG + CLOSE
            within("given up", await server.says("no answer to a Ping") - start, due, due + latest)
        finally:
            for process in everything:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            await peer.wait()


stopped("websockets", sys.executable, "-c", PYTHON)
stopped("ws", "node", "-e", NODE)
stopped("Chromium, all of its processes,", "node", "-e", CHROMIUM)

main(f"deadlines of {PROGRAM}")
