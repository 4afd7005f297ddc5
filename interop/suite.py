#!/usr/bin/env python3
"""Runs the examples against their peers and counts: one line per case, the sum last, exit status 1 unless all passed.

Called by `run`, which installs the peers and builds the examples. Two parts run at a time, of which one at most is about
deadlines.
"""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = Path(os.environ["EXAMPLES"])
HOSTS = Path(os.environ["HOSTS"])
OUT = Path(os.environ["OUT"])
SECONDS_PER_PART = 480

PYTHON, NODE = str(OUT / "venv" / "bin" / "python"), "node"
# Those about deadlines, which mostly wait.
TIMED = [
    ("stranger", [PYTHON, "stranger.py"]),
    ("stranger of tokio", [PYTHON, "stranger.py", "tokio"]),
    ("hosts", [PYTHON, "hosts.py"]),
    ("deadlines of echo", [PYTHON, "deadlines.py", "echo"]),
    ("deadlines of feed", [PYTHON, "deadlines.py", "feed"]),
    ("deadlines of tokio", [PYTHON, "deadlines.py", "echo"]),
]
# The last word is the example that is the server, if there are several, or where the client is from.
PARTS = [
    ("raw client of echo", [PYTHON, "raw_client.py"]),
    ("raw client of mio", [PYTHON, "raw_client.py"]),
    ("websockets client of echo", [PYTHON, "websockets_client.py"]),
    ("websockets client of mio", [PYTHON, "websockets_client.py"]),
    ("raw client of io_uring", [PYTHON, "raw_client.py"]),
    ("websockets client of io_uring", [PYTHON, "websockets_client.py"]),
    ("websockets client of embedded_io", [PYTHON, "websockets_client.py"]),
    ("websockets server", [PYTHON, "websockets_server.py"]),
    ("websockets server of tokio", [PYTHON, "websockets_server.py"]),
    ("websockets server of tokio_tls", [PYTHON, "websockets_server.py"]),
    ("conformance of tokio", [PYTHON, "conformance.py"]),
    ("conformance", [PYTHON, "conformance.py"]),
    ("ws client of echo", [NODE, "ws_client.cjs"]),
    ("ws client of mio", [NODE, "ws_client.cjs"]),
    ("ws client of io_uring", [NODE, "ws_client.cjs"]),
    ("ws client of embedded_io", [NODE, "ws_client.cjs"]),
    ("raw client of tokio", [PYTHON, "raw_client.py"]),
    ("websockets client of tokio", [PYTHON, "websockets_client.py"]),
    ("websockets client of tokio_tls", [PYTHON, "websockets_client.py"]),
    ("ws client of tokio", [NODE, "ws_client.cjs"]),
    ("ws client of tokio_tls", [NODE, "ws_client.cjs"]),
    ("websockets client of hyper", [PYTHON, "websockets_client.py"]),
    ("ws client of axum", [NODE, "ws_client.cjs"]),
    ("ws server", [NODE, "ws_server.cjs"]),
    ("ws server of tokio", [NODE, "ws_server.cjs"]),
    ("ws server of tokio_tls", [NODE, "ws_server.cjs"]),
    ("chromium", [NODE, "browser.cjs"]),
    ("chromium of tokio", [NODE, "browser.cjs"]),
    ("chromium over HTTP/2", [NODE, "http2_browser.cjs"]),
    ("node over HTTP/2", [NODE, "http2_client.cjs"]),
    ("Python h2 over HTTP/2", [PYTHON, "http2_raw.py"]),
    ("chat", [NODE, "chat.cjs"]),
    ("websockets compressing", [PYTHON, "deflate.py"]),
    ("ws compressing", [NODE, "deflate.cjs"]),
    ("chromium compressing", [NODE, "deflate_browser.cjs"]),
]

# Servers with the same options as `echo`, and where they are. Those of `drivers/tokio` lie beside the hosts.
ECHOES = {
    "echo": EXAMPLES / "echo",
    "mio": HOSTS / "mio",
    "io_uring": HOSTS / "io_uring",
    "embedded_io": HOSTS / "embedded_io",
    "tokio": HOSTS / "echo",
    "tokio_tls": HOSTS / "echo",
    "hyper": HOSTS / "hyper_echo",
    "axum": HOSTS / "axum_echo",
}
PROGRAMS = {**ECHOES, "http2": HOSTS / "http2"}

# Those that run with --all, and where they are asked for: another client does the same.
LONG = ["conformance"]

passed = failed = 0
children = []
printing = threading.Lock()
libc = ctypes.CDLL(None)


def report(*lines):
    global passed, failed
    with printing:
        for line in lines:
            passed += line.startswith("ok ")
            failed += line.startswith("FAIL ")
            print(line, flush=True)


def start(command, **options):
    """A child in a process group of its own, which dies with us however we end."""

    def with_parent():
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, Linux only

    linux = sys.platform == "linux"
    child = subprocess.Popen(
        command, start_new_session=True, stdin=subprocess.DEVNULL, preexec_fn=with_parent if linux else None, **options
    )
    children.append(child)
    return child


def stop(child, patience=3):
    """Ends a child and all that it started: asked first, so that it can clean up."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            break
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    child.wait()


def lines_of(stream, deadline):
    """Lines of a pipe until its end or the deadline, which raises TimeoutError."""
    selector = selectors.DefaultSelector()
    selector.register(stream, selectors.EVENT_READ)
    rest = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not selector.select(left):
            raise TimeoutError
        data = os.read(stream.fileno(), 65536)
        if not data:
            if rest:
                yield rest.decode(errors="replace")
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")


class Unavailable(Exception):
    """The system does not have what a program is about; its exit status says so."""


class Server:
    """An example that serves, on a free port. Its first line is its address."""

    def __init__(self, program, scheme, *options):
        self.errors = tempfile.TemporaryFile()
        self.name = " ".join([program, *options])
        self.child = start(
            [str(PROGRAMS.get(program, EXAMPLES / program)), "0", *options], stdout=subprocess.PIPE, stderr=self.errors, bufsize=0
        )
        self.url = next(lines_of(self.child.stdout, time.monotonic() + 30), "").strip()
        if not self.url and self.child.wait(10) == 69:
            raise Unavailable(self.said().strip())
        if not (self.url.startswith(f"{scheme}://127.0.0.1:") and self.url.endswith("/")):
            raise SystemExit(f"FAIL {self.name}: the first line is {self.url!r}, not its address\n{self.said()}")

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def check(self):
        if self.child.poll() is not None:
            report(f"FAIL {self.name}: has ended with status {self.child.returncode}: {self.said()[-300:]!r}")
        elif "panicked" in self.said():
            report(f"FAIL {self.name}: a thread has panicked: {self.said()[:300]!r}")
        else:
            report(f"ok {self.name}: still serves, and nothing has panicked")


def run_part(name, command, environment):
    """Runs one part. Fails it, too, when it does not run as many cases as it said. Its lines are printed at its end."""
    began = time.monotonic()
    child = start(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, bufsize=0)
    planned, lines = None, []
    cases = lambda *starts: sum(line.startswith(starts) for line in lines)
    try:
        for line in lines_of(child.stdout, began + SECONDS_PER_PART):
            if line.startswith("plan "):
                planned = int(line[5:])
            else:
                lines.append(line)
        status = child.wait(10)
    except (TimeoutError, subprocess.TimeoutExpired):
        done = cases("ok ", "FAIL ")
        lines.append(f"FAIL {name}: still running after {SECONDS_PER_PART} s, {done} of {planned} cases done")
    else:
        if not planned or cases("ok ", "FAIL ") != planned:
            lines.append(f"FAIL {name}: {cases('ok ', 'FAIL ')} of {planned} cases run, exit status {status}")
        elif (status != 0) != (cases("FAIL ") > 0):
            lines.append(f"FAIL {name}: exit status {status} does not go with its cases")
    finally:
        stop(child)
    report(*lines, f"-- {name}: {time.monotonic() - began:.1f} s")


def certificate():
    """A certificate for 127.0.0.1 and its key, which our clients are told to trust."""
    files = [str(OUT / "server.pem"), str(OUT / "server.key")]
    subject = ["-subj", "/CN=interop", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    made = subprocess.run(["openssl", "req", *kind, *subject, "-out", files[0], "-keyout", files[1]], capture_output=True)
    if made.returncode != 0:
        raise SystemExit(f"FAIL openssl: {made.stderr.decode()}")
    return files


def main():
    every = [name for name, _ in TIMED + PARTS if "--all" in sys.argv or name not in LONG]
    chosen = [argument for argument in sys.argv[1:] if argument != "--all"]
    parts = [part for part in TIMED + PARTS if part[0] in (chosen or every)]
    if len(parts) < len(chosen):
        raise SystemExit(f"no such part in {chosen}; there are: {', '.join(name for name, _ in TIMED + PARTS)}")
    feed = Server("feed", "ws", "--every", "1", "--origin", "https://good.example")
    servers = [feed]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "FEED": feed.url,
        "FEED_PROCESS": str(feed.child.pid),
        "NODE_PATH": str(OUT / "node" / "node_modules"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if "--all" in sys.argv:
        environment["ALL"] = "1"
    echoes, alone = {}, {}
    deflate = Server("echo", "http", "--deflate")
    servers.append(deflate)
    environment["ECHO_DEFLATE"] = deflate.url.replace("http:", "ws:", 1)
    wanted = {name.split()[-1] for name, _ in parts}
    for program in ECHOES:
        if program != "echo" and program not in wanted:
            continue
        tls = program == "tokio_tls"
        scheme = "https" if tls else "http"
        certificates = [OUT / f"{program}-{number}.pem" for number in range(3)] if tls else []
        options = [["--tls", str(file)] for file in certificates] or [[]] * 3
        try:
            servers.append(Server(program, scheme, *options[0]))
        except Unavailable as why:
            print(f"-- left out: {why}", flush=True)
            parts = [part for part in parts if not part[0].endswith(f" of {program}")]
            continue
        three = [
            servers.pop(),
            Server(program, scheme, *options[1], "--subprotocol", "chat.v2", "--subprotocol", "chat.v1"),
            Server(program, scheme, *options[2], "--origin", "https://good.example", "--origin", "https://also.example"),
        ]
        servers += three
        alone[program] = (program, scheme, *options[0])
        addresses = [server.url.replace("http", "ws", 1) for server in three]
        echoes[program] = dict(zip(["ECHO", "ECHO_SUBPROTOCOL", "ECHO_ORIGIN"], addresses))
        echoes[program]["ECHO_PROCESS"] = str(three[0].child.pid)
        if tls:
            bundle = OUT / f"{program}.pem"
            bundle.write_text("".join(file.read_text() for file in certificates))
            # As Python and Node are told whom to trust.
            echoes[program] |= {"SSL_CERT_FILE": str(bundle), "NODE_EXTRA_CA_CERTS": str(bundle)}
    # It answers in as many fragments as it takes reads, which peers bound.
    echoes.get("embedded_io", {})["LARGEST"] = str(1 << 20)
    for program in {"tokio", "tokio_tls"} & wanted:
        echoes[program]["EXAMPLES"] = str(HOSTS)
    if "tokio_tls" in wanted:
        echoes["tokio_tls"] |= dict(zip(["CERTIFICATE", "KEY"], certificate()))
    waiting = []
    for name, command in parts:
        of_part = {**environment, **echoes.get(name.split()[-1], echoes["echo"])}
        if name.endswith("over HTTP/2"):
            # One for each, as it counts its connections.
            servers.append(Server("http2", "https"))
            of_part["HTTP2"] = servers[-1].url
        program = name.split()[-1]
        if name.startswith("raw client"):
            # It looks at the memory of its server, which others would use meanwhile.
            servers.append(Server(*alone.get(program, alone["echo"])))
            of_part["ECHO"] = servers[-1].url.replace("http", "ws", 1)
            of_part["ECHO_PROCESS"] = str(servers[-1].child.pid)
        waiting.append((name, command, of_part))
    timed = [part for part in waiting if part[:2] in TIMED]
    others = [part for part in waiting if part[:2] not in TIMED]

    def work(*lists):
        for parts in lists:
            while True:
                try:
                    part = parts.pop(0)
                except IndexError:
                    break
                try:
                    run_part(*part)
                except Exception as error:
                    report(f"FAIL {part[0]}: {error!r}")

    workers = [threading.Thread(target=work, args=lists, daemon=True) for lists in ((timed, others), (others,))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for server in servers:
        server.check()


def ended(sign, _):
    raise SystemExit(f"stopped by signal {sign}")


signal.signal(signal.SIGTERM, ended)
signal.signal(signal.SIGINT, ended)
try:
    main()
finally:
    for child in children:
        stop(child)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
