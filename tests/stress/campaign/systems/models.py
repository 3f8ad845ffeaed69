"""Models that move, raise, fork and hold: what they do to the run and to the command."""

import random
from collections.abc import Iterator
from pathlib import Path

from campaign.case import Case, command, python
from campaign.systems.worlds import DOTS, MAIN, RUN, refused, result, right, score

ADAPTER = f"""
import sys
sys.path.insert(0, {str(DOTS.parent)!r})
from dots import Colours


class Model(Colours):
    def encode(self, pictures):
        {{line}}
        return super().encode(pictures)


class OutMissing(Exception):
    def __init__(self, a, b):
        super().__init__(a)
"""
ERRORS = (
    "ValueError('three\\nlines\\nof text')",
    "KeyError('')",
    "OSError('no number')",
    "FileNotFoundError(2, 'No such file', 'weights.bin')",
    "RecursionError('deep')",
    "UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')",
    "OutMissing(1, 2)",
    "EOFError()",
    "AssertionError()",
    "BrokenPipeError(32, 'Broken pipe')",
)


def adapter(folder: Path, line: str) -> list[str]:
    """The words of a run of a model whose `encode` begins with a line."""
    (folder / "model.py").write_text(ADAPTER.format(line=line), encoding="utf-8")
    words = list(RUN)
    words[words.index("--model") + 1] = "model.py:Model"
    return words


def that_raise(draw: random.Random) -> Iterator[Case]:
    """The error names the model's file and line; nothing says that it is a defect of kapbench."""
    for error in draw.sample(ERRORS, len(ERRORS)):

        def check(folder: Path, error: str = error) -> str | None:
            done = command(adapter(folder, f"raise {error}"), folder)
            return refused(done, "model.py", "encode") or _no_run(folder)

        yield Case(f"model raises {error}", check)

    def memory(folder: Path) -> str | None:
        done = command(adapter(folder, "raise MemoryError"), folder)
        return refused(done, "memory") or _no_run(folder)

    yield Case("model raises MemoryError", memory)


def _no_run(folder: Path) -> str | None:
    return "a run was written" if result(folder) is None else None


def that_move(draw: random.Random) -> Iterator[Case]:
    """A model that changes the current folder moves no folder that the user named."""
    for line in draw.sample(["import os; os.chdir('/')", "import os; os.chdir('..')"], 2):

        def check(folder: Path, line: str = line) -> str | None:
            done = command(adapter(folder, line), folder)
            if (wrong := right(done, folder)) is not None:
                return wrong
            return None if any((folder / "cache").rglob("*.safetensors")) else "no cache here"

        yield Case(f"model: {line}", check)


LEFT_HOLDING = """
import os, signal, time
        if not os.path.exists("again"):
            if os.fork() == 0:
                os.setsid(); os.close(1); os.close(2); time.sleep(20); os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
"""


def that_leave_a_lock(draw: random.Random) -> Iterator[Case]:
    """A lock that an orphan of a killed run holds is taken over: its process is gone."""

    def check(folder: Path) -> str | None:
        killed = command(adapter(folder, LEFT_HOLDING.strip()), folder)
        if killed.status != -9:
            return f"status {killed.status}: {killed.errors[-200:]}"
        # The same plan as before: a model's revision has digits of its file.
        flag = next((folder / "runs").rglob(".lock")).parent
        (folder / "again").touch()
        done = right(command(adapter(folder, LEFT_HOLDING.strip()), folder), folder)
        return done or (None if (flag / "run.json").exists() else "another run folder")

    yield Case("a lock that an orphan holds", check)

    def told(folder: Path) -> str | None:
        if (wrong := right(score(folder), folder)) is not None:
            return wrong
        lock = next((folder / "runs").rglob("run.json")).with_name(".lock")
        held = f"import filelock; held = filelock.FileLock({str(lock)!r}); held.acquire()\n"
        start = "import subprocess, sys\n"
        inner = f"subprocess.run([sys.executable, '-m', 'kapbench', *{[*RUN, '--force']!r}])"
        done = python(["-c", held + start + f"sys.exit({inner}.returncode)"], folder)
        return refused(done, "another process")

    yield Case("a lock that another program holds", told)


DEFECT = """
import kapbench.running.request as request
request.make_plan = {broken}
"""


def defects(draw: random.Random) -> Iterator[Case]:
    """A defect of kapbench: said in a few lines, with a log file that has the traceback."""
    for broken in draw.sample(["None", "{}.__getitem__", "[].index"], 3):

        def check(folder: Path, broken: str = broken) -> str | None:
            words = ["-c", DEFECT.format(broken=broken) + MAIN, *RUN]
            done = python(words, folder)
            if done.crash is not None or done.status in (0, 1, 2):
                return done.crash or f"status {done.status}: {done.errors[-300:]}"
            logs = list((folder / "cache").rglob("*.log"))
            if not logs or str(logs[0]) not in done.errors.replace("\n", ""):
                return f"no log file is named: {done.errors[-300:]}"
            text = logs[0].read_text(encoding="utf-8")
            return None if "Traceback" in text and "run --model" in text else text[:300]

        yield Case(f"defect: make_plan is {broken}", check)
