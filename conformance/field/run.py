"""Runs wsconform against each server and each client, one after the other: see `run`."""

import collections
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
OUT = pathlib.Path(os.environ["OUT"])
WSCONFORM = os.environ["WSCONFORM"]
LONGEST = 600  # Seconds that one of them may take.


def pinned():
    versions = dict(line.split("==") for line in (HERE / "requirements.txt").read_text().split())
    versions |= json.loads((HERE / "package.json").read_text())["dependencies"]
    lock = (HERE / "crates" / "Cargo.lock").read_text()
    versions |= dict(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', lock))
    return versions


VERSIONS = pinned()
PYTHON, NODE, CRATES = [sys.executable], ["node"], [os.environ["CRATES"] + "/field"]
EXAMPLES = pathlib.Path(os.environ["EXAMPLES"])


def python(what, name):
    return PYTHON + [str(HERE / f"{what}.py"), name]


def node(what, name):
    return NODE + [str(HERE / f"{what}.cjs"), name]


def rust(what, name):
    return CRATES + [what, name]


# What is shown, and the command; a port or a URL comes behind.
SERVERS = {
    "sockless": ("`sockless`, the example `echo`", [str(EXAMPLES / "echo"), "--deflate"]),
    "ws": ("`ws` {}, Node, `perMessageDeflate: true`", node("servers", "ws")),
    "websocket": ("npm `websocket` {}", node("servers", "websocket")),
    "websockets": ("Python `websockets` {}", python("servers", "websockets")),
    "aiohttp": ("`aiohttp` {}", python("servers", "aiohttp")),
    "tornado": ("`tornado` {}", python("servers", "tornado")),
    "picows": ("`picows` {}, `picows.websockets`", python("servers", "picows")),
    "tungstenite": ("`tungstenite` {}", rust("server", "tungstenite")),
    "soketto": ("`soketto` {}", rust("server", "soketto")),
    "tokio-websockets": ("`tokio-websockets` {}", rust("server", "tokio-websockets")),
    "fastwebsockets": ("`fastwebsockets` {}, behind hyper", rust("server", "fastwebsockets")),
    "yawc": ("`yawc` {}, behind hyper, `with_utf8`", rust("server", "yawc")),
    "web-socket": ("`web-socket` {}, frames only", rust("server", "web-socket")),
}
# What is not the peer's own.
NOT_ITS_OWN = {"web-socket": ["--exclude", "4", "--exclude", "11", "--exclude", "7692"]}
CLIENTS = {
    "sockless": ("`sockless`, the example `autobahn_client --deflate`", [str(EXAMPLES / "autobahn_client"), "--deflate"]),
    "ws": ("`ws` {}", node("clients", "ws")),
    "undici": ("`undici` {}", node("clients", "undici")),
    "websocket": ("npm `websocket` {}", node("clients", "websocket")),
    "websockets": ("Python `websockets` {}", python("clients", "websockets")),
    "aiohttp": ("`aiohttp` {}", python("clients", "aiohttp")),
    "tornado": ("`tornado` {}", python("clients", "tornado")),
    "chromium": ("Chromium {}", node("clients", "chromium")),
    "tungstenite": ("`tungstenite` {}", rust("client", "tungstenite")),
}


def start(command):
    log = open(OUT / "log.txt", "ab")
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def stop(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port, process):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"{process.args} has ended; see {OUT}/log.txt")
            time.sleep(0.05)
    raise SystemExit(f"{process.args} does not listen")


def title(name, text):
    if name == "chromium":
        output = subprocess.run([os.environ["CHROMIUM"], "--version"], capture_output=True, text=True).stdout
        return text.format(re.search(r"[\d.]+", output)[0])
    return text.format(VERSIONS.get(name, ""))


def server(name, text, command):
    port = free_port()
    process = start(command + [str(port)])
    try:
        wait_for(port, process)
        report = OUT / f"server-{name}.json"
        page = OUT / f"server-{name}.html"
        subprocess.run(
            [WSCONFORM, "server", f"ws://127.0.0.1:{port}/", "--name", name, "--json", report, "--html", page, "--quiet"]
            + NOT_ITS_OWN.get(name, []),
            timeout=LONGEST,
        )
        return json.loads(report.read_text())
    finally:
        stop(process)


def client(name, text, command):
    report, page = OUT / f"client-{name}.json", OUT / f"client-{name}.html"
    port = free_port()
    check = subprocess.Popen(
        [WSCONFORM, "client", f"127.0.0.1:{port}", "--name", name, "--json", report, "--html", page, "--quiet", "--wait", "60"]
    )
    try:
        while not subprocess.run(["true"]).returncode and check.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        process = start(command + [f"ws://127.0.0.1:{port}"])
        try:
            check.wait(timeout=LONGEST)
        finally:
            stop(process)
        return json.loads(report.read_text())
    finally:
        check.kill()
        check.wait()


def row(shown, report):
    counts = collections.Counter(session["verdict"] for session in report["sessions"])
    columns = [counts[verdict] or "" for verdict in ("pass", "custom", "should", "fail", "skipped")]
    seconds = f"{report['seconds']:.0f}"
    return "| " + " | ".join(str(part) for part in [shown, len(report["sessions"]), *columns, seconds]) + " |"


def kind(why):
    """What was wrong, without the bytes and the numbers."""
    why = re.sub(r'b"(?:[^"\\]|\\.)*"(\.\.\.)?', 'b".."', why)
    return re.sub(r"\d+", "N", why)


def findings(report):
    lines = []
    for verdict in ("fail", "should", "custom"):
        kinds = collections.defaultdict(list)
        for session in report["sessions"]:
            if session["verdict"] == verdict:
                kinds[(session["section"], kind(session["why"]))].append(session)
        for (section, why), sessions in sorted(kinds.items(), key=lambda item: -len(item[1])):
            cases = collections.Counter(session["case"] for session in sessions)
            cases = ", ".join(f"{case} {count}" for case, count in cases.most_common())
            first = min(sessions, key=lambda session: ("shrunk" not in session, session["sent_length"]))
            lines.append(f"  {verdict:6} {len(sessions):4}  {section:10} {why}: {cases} [{first['id']}: {first['name']}]")
            shown = first.get("shrunk", first)
            lines.append(f"         sent {shown['sent'][-200:]} cut at {shown['cuts'][:8]}, came {shown['received'][-120:]}")
    return lines


def main():
    wanted = sys.argv[1:]
    tables = []
    with open(OUT / "findings.txt", "w") as details:
        for what, run, peers in (("server", server, SERVERS), ("client", client, CLIENTS)):
            rows = [
                f"| {what} | sessions | pass | custom | should | FAIL | skipped | seconds |",
                "|---|---|---|---|---|---|---|---|",
            ]
            for name, (text, command) in peers.items():
                if wanted and f"{what} {name}" not in wanted:
                    continue
                try:
                    report = run(name, text, command)
                except (Exception, SystemExit) as error:
                    print(f"{what} {name}: {error}", file=sys.stderr)
                    continue
                rows.append(row(title(name, text), report))
                print(rows[-1], flush=True)
                print(f"{what} {name}: {rows[-1]}", *findings(report), sep="\n", end="\n\n", file=details, flush=True)
            tables.append("\n".join(rows))
    (OUT / "tables.md").write_text("\n\n".join(tables) + "\n")


main()
