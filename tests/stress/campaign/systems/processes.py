"""Ctrl-C at any time and often, and clocks that go back."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from campaign import case
from campaign.case import Case, Outcome
from campaign.systems.models import adapter
from campaign.systems.worlds import after, result, right

SLOW = "import time; open('encoding', 'w'); time.sleep(600)"


def _interrupted(words: list[str], folder: Path, pauses_s: list[float]) -> Outcome:
    """A command that gets SIGINT once its model encodes, and again after each pause."""
    own = {"KAPBENCH_CACHE": str(folder / "cache"), "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        [case.PYTHON, "-m", "kapbench", *words],
        cwd=folder,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job has SIGINT ignored, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    late = time.monotonic() + case.SECONDS
    while not (folder / "encoding").exists() and time.monotonic() < late:
        time.sleep(0.02)
    for pause in (0.2, *pauses_s):
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
    try:
        output, errors = process.communicate(timeout=case.SECONDS)
        return Outcome(process.returncode, output, errors)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        return Outcome(None, output, errors)


def interrupts(draw: random.Random) -> Iterator[Case]:
    """Ctrl-C, once or often: status 130 and one line; the same command then finishes the run."""
    for n_times in (4, 1, 2, 3, 6, 10):
        pauses = [draw.choice([0.0, 0.005, 0.02, 0.1]) for _ in range(n_times - 1)]

        def check(folder: Path, pauses: list[float] = pauses) -> str | None:
            done = _interrupted(adapter(folder, SLOW), folder, pauses)
            if done.crash is not None or done.status != 130:
                return done.crash or f"status {done.status}: {done.errors[-300:]}"
            if "Exception ignored" in done.errors:
                return done.errors[-300:]
            return right(case.command(adapter(folder, "pass"), folder), folder)

        yield Case(f"Ctrl-C {n_times} times", check)


CLOCK = """
import time
_true, _mono = time.time, time.monotonic
_start = _true()
time.time = lambda: 2 * _start - _true() - 1e6
"""


def clocks(draw: random.Random) -> Iterator[Case]:
    """The clock goes back while a run is in progress."""

    def check(folder: Path) -> str | None:
        done = after(CLOCK, adapter(folder, "pass"), folder)
        return done.crash or right(done, folder) or result(folder)

    yield Case("a clock that goes back", check)
