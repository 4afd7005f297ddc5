"""What the parts written in Python share: a list of named cases, run one after the other under a time limit each.

A part prints `plan N` first and then one line per case, `ok NAME` or `FAIL NAME: why`.
"""

import asyncio
import os
import time
import traceback

SIZES = [125, 126, 65535, 65536, int(os.environ.get("LARGEST", 16 * 1024 * 1024))]
FRAGMENTS = ["frag", "mented: héllo, ", "", "世界 ", "🌍"]

TRIES = 4  # of a case that is about deadlines

_cases = []


class Early(AssertionError):
    """Something came before its time, for which no busy machine is a reason."""


class Sleeper:
    """Sleeps all the time, in order to know how late a busy machine wakes those that sleep."""

    def __init__(self):
        self.due, self.most = time.monotonic(), 0.0

    async def run(self):
        while True:
            self.due = time.monotonic() + 0.01
            await asyncio.sleep(0.01)
            self.most = self.late()

    def late(self):
        return max(self.most, time.monotonic() - self.due)


_sleeper = Sleeper()


def machine_late():
    """How much later than on an idle machine something may be: a peer can have been woken late, and so can we."""
    return 2 * _sleeper.late()


async def patiently(name, run, limit):
    """Runs again what has failed, as a machine that is busy with something else can be late. What was early is not run again."""
    global _sleeper
    for left in reversed(range(TRIES)):
        _sleeper = Sleeper()
        sleeping = asyncio.create_task(_sleeper.run())
        try:
            return await asyncio.wait_for(run(), limit)
        except (AssertionError, TimeoutError) as error:
            if isinstance(error, Early) or not left:
                raise
            print(f"-- {name}: {str(error) or 'a wait took too long'}; once more", flush=True)
            await asyncio.sleep(1)
        finally:
            sleeping.cancel()


def case(name, limit=60):
    """Registers an async function without arguments as a case."""

    def register(function):
        _cases.append((name, limit, function))
        return function

    return register


def text_of(size):
    """Text of exactly `size` bytes in UTF-8, with characters of one to four bytes."""
    pattern = "aé世🌍"  # 1 + 2 + 3 + 4 bytes
    text = pattern * (size // 10) + "x" * (size % 10)
    assert len(text.encode()) == size
    return text


def binary_of(size):
    """`size` bytes in which every value occurs, and no short period of a power of two that would hide a lost chunk."""
    pattern = bytes(range(256)) + bytes(range(255, 4, -1))
    return (pattern * (size // len(pattern) + 1))[:size]


def resident_kilobytes(process):
    """The memory that a process holds. Linux only; elsewhere nothing is measured."""
    try:
        with open(f"/proc/{process}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    except OSError:
        return 0


def same(got, expected, what="message"):
    """Fails with a short text: the messages can be 16 MiB long."""
    if got != expected:
        raise AssertionError(f"{what}: got {_brief(got)}, expected {_brief(expected)}")


def _brief(value):
    shown = repr(value)
    return shown if len(shown) <= 120 else f"{shown[:100]}… ({len(value)} long)"


async def _run_all(peer):
    print(f"plan {len(_cases)}", flush=True)
    failed = 0
    for name, limit, function in _cases:
        try:
            async with asyncio.timeout(limit) as whole:
                await function()
        except (Exception, asyncio.CancelledError) as error:
            failed += 1
            why = f"{type(error).__name__}: {error}".replace("\n", " ")
            if isinstance(error, TimeoutError) and not str(error):
                why = f"still running after {limit} s" if whole.expired() else "a wait took too long"
            here = os.path.dirname(os.path.abspath(__file__))
            for step in reversed(traceback.extract_tb(error.__traceback__)):
                file = os.path.abspath(step.filename)
                if os.path.dirname(file) == here and file != os.path.abspath(__file__):
                    why += f" ({os.path.basename(file)}:{step.lineno})"
                    break
            print(f"FAIL {peer}: {name}: {why}", flush=True)
        else:
            print(f"ok {peer}: {name}", flush=True)
    return failed


def main(peer):
    raise SystemExit(1 if asyncio.run(_run_all(peer)) else 0)
