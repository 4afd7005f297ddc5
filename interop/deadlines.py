#!/usr/bin/env python3
"""Peers that stop, dribble, never read or never answer, against the example `deadlines`: each is closed within its deadline
plus 200 ms, and none before.

    deadlines.py PATH-OF-THE-EXAMPLE [PATH-OF-THE-PACKAGE-ws]

Needs Python's `websockets`. With the second argument, `ws` for Node is stopped as well.
"""

import os, signal, socket, subprocess, sys, threading, time

HANDSHAKE, PING, PONG, GRACE, WRITE, CLOSE = 1.0, 0.5, 0.7, 1.0, 1.0, 0.8
SLACK = 0.2
HEAD = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PYTHON = """
import asyncio, websockets
async def main():
    async with websockets.connect("ws://127.0.0.1:%d/", ping_interval=None) as ws:
        await ws.send("hello")
        await ws.recv()
        print("open", flush=True)
        await ws.wait_closed()
asyncio.run(main())
"""
NODE = """
const ws = new (require(process.argv[1]))("ws://127.0.0.1:%d/");
ws.on("open", () => ws.send("hello"));
ws.on("message", () => console.log("open"));
"""


class Server:
    def __init__(self, path):
        numbers = [0] + [int(1000 * s) for s in (HANDSHAKE, PING, PONG, 0, GRACE, WRITE, CLOSE)]
        self.process = subprocess.Popen([path, *map(str, numbers)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))

    def report(self):
        """Seconds, and the deadline that has passed."""
        _, millis, rest = self.process.stdout.readline().split(" ", 2)
        return int(millis) / 1000, rest.strip()


def check(name, took, least, what, expected):
    good = least - 0.001 <= took <= least + SLACK and expected in what
    print(f"{'ok  ' if good else 'FAIL'} {name}: {took:.3f} s, due at {least:.3f} s; {what}")
    return good


def upgraded(server):
    stream = server.connect()
    stream.sendall(HEAD)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += stream.recv(1)
    return stream


def until_close(stream):
    """Reads until a Close comes; answers nothing."""
    while True:
        head = stream.recv(2, socket.MSG_WAITALL)
        body = stream.recv(head[1] & 127, socket.MSG_WAITALL)
        if head[0] == 0x88:
            return int.from_bytes(body[:2], "big")


def silent(server):
    stream = server.connect()
    took, what = server.report()
    assert stream.recv(99) == b""
    return check("nothing is sent", took, HANDSHAKE, what, "TimedOut")


def dribbled_head(server):
    stream = server.connect()
    start = time.monotonic()
    stop = threading.Event()

    def dribble():
        for byte in HEAD:
            if stop.wait(0.05):
                return
            try:
                stream.send(bytes([byte]))
            except OSError:
                return

    thread = threading.Thread(target=dribble)
    thread.start()
    answer = stream.recv(12)
    took = time.monotonic() - start
    stop.set()
    thread.join()
    stream.close()
    server.report()
    return check("a head dribbles", took, HANDSHAKE, answer.decode(), "HTTP/1.1 408")


def dribbled_message(server):
    stream = upgraded(server)
    start = time.monotonic()
    sent = 8

    stream.send(b"\x82\xfe\x03\xe8\0\0\0\0")
    stop = threading.Event()

    def dribble():
        nonlocal sent
        while not stop.wait(0.1):
            try:
                stream.send(b"x")
                sent += 1
            except OSError:
                return

    thread = threading.Thread(target=dribble)
    thread.start()
    code = until_close(stream)
    took = time.monotonic() - start
    good = check("a message dribbles", took, GRACE + 0.010, f"code {code}", "code 1008")
    # It never answers the Close either.
    try:
        while stream.recv(99):
            pass
    except ConnectionResetError:
        pass
    took = time.monotonic() - start
    stop.set()
    thread.join()
    _, what = server.report()
    return check("and the Close is not answered", took, GRACE + 0.010 + CLOSE, what, "a message came too slowly") and good


def never_reads(server):
    stream = upgraded(server)
    frame = b"\x82\xfe\xff\xff\0\0\0\0" + bytes(65535)
    stream.settimeout(0.3)
    start = time.monotonic()
    try:
        while True:
            stream.sendall(frame)
    except (TimeoutError, OSError):
        last = time.monotonic()
    took, what = server.report()
    # The last byte of output was taken some time between the start and when nothing more went out.
    good = WRITE <= took <= last - start + WRITE + SLACK and "the output was not taken" in what
    print(f"{'ok  ' if good else 'FAIL'} nothing is read: {took:.3f} s, due {WRITE:.3f} s after the last byte; {what}")
    return good


def stopped(server, name, command):
    peer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert peer.stdout.readline() == "open\n"
    peer.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    server.report()
    took = time.monotonic() - start
    peer.kill()
    peer.wait()
    # Its last byte came a little before the signal.
    good = PING + PONG + CLOSE - 0.1 <= took <= PING + PONG + CLOSE + SLACK
    print(f"{'ok  ' if good else 'FAIL'} {name} is stopped: {took:.3f} s, due at {PING + PONG + CLOSE:.3f} s")
    return good


def main():
    server = Server(sys.argv[1])
    good = [case(server) for case in (silent, dribbled_head, dribbled_message, never_reads)]
    good.append(stopped(server, "websockets", [sys.executable, "-c", PYTHON % server.port]))
    if len(sys.argv) > 2:
        good.append(stopped(server, "ws", ["node", "-e", NODE % server.port, os.path.abspath(sys.argv[2])]))
    server.process.kill()
    sys.exit(0 if all(good) else 1)


main()
