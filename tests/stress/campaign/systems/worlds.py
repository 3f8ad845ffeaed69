"""Commands of kapbench in systems that lack something: their prelude, mounts and streams."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from campaign import case
from campaign.case import Outcome, python

DOTS = Path(__file__).parents[3] / "support" / "dots.py"
RUN = ("run", "--model", f"{DOTS}:Colours", "--dataset", f"{DOTS}:Dots")
RUN += ("--no-control", "-q", "--rule", "kap-v1", "--runs", "runs", "--cache", "cache")
MAIN = """
import sys
sys.argv[0] = "kapbench"
from kapbench.cli import main
main()
"""


def after(prelude: str, words: Sequence[str], folder: Path, **environment: str) -> Outcome:
    """`kapbench WORDS` in a process that runs the lines of `prelude` first."""
    return python(["-c", prelude + MAIN, *words], folder, environment=environment)


def shell(line: str, words: Sequence[str], folder: Path, **environment: str) -> Outcome:
    """A line of the shell in which $KAPBENCH is `kapbench WORDS`."""
    quoted = shlex.join([case.PYTHON, "-m", "kapbench", *words])
    code = "import os, sys; os.execv('/bin/sh', ['sh', '-c', sys.argv[1]])"
    return python(["-c", code, line.replace("$KAPBENCH", quoted)], folder, environment=environment)


@cache
def can_mount() -> bool:
    """Whether this system lets a process have mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(words, check=False, capture_output=True).returncode == 0


def mounted(mounts: str, words: Sequence[str], folder: Path) -> Outcome:
    """`kapbench WORDS` among mounts of its own."""
    line = f"cd / && {mounts} && cd {shlex.quote(str(folder))} && exec $KAPBENCH"
    inner = line.replace("$KAPBENCH", shlex.join([case.PYTHON, "-m", "kapbench", *words]))
    code = "import os, sys; os.execvp('unshare', ['unshare', '-rm', 'sh', '-c', sys.argv[1]])"
    return python(["-c", code, inner], folder)


def read_only(path: Path) -> str:
    """The line of the shell that makes a folder read-only."""
    place = shlex.quote(str(path))
    return f"mount --bind {place} {place} && mount -o remount,ro,bind {place}"


def score(folder: Path, *more: str) -> Outcome:
    """The run of this kind: a table on standard output, and a run folder below `runs`."""
    return case.command([*RUN, *more], folder)


def finished(folder: Path) -> list[Path]:
    """The run cards below a folder."""
    return sorted((folder / "runs").rglob("run.json"))


def result(folder: Path) -> str | None:
    """What is wrong with the one run below `runs`; None where it is finished and whole."""
    cards = finished(folder)
    if len(cards) != 1:
        return f"{len(cards)} finished runs"
    scores = json.loads(cards[0].read_text(encoding="utf-8"))["scores"]
    names = {path.name for path in cards[0].parent.iterdir()}
    extra = {name for name in names if name.startswith((".tmp", "parts", "sessions"))}
    if extra:
        return f"left in the run folder: {', '.join(sorted(extra))}"
    value = next(s["value"] for s in scores if s["metric"] == "kap" and s["category"] == "mean")
    return None if abs(value - 0.96377629) < 1e-6 else f"KAP is {value}"


def right(outcome: Outcome, folder: Path) -> str | None:
    """None where a command ended with status 0 and the run is whole."""
    if outcome.crash is not None:
        return outcome.crash
    if outcome.status != 0:
        return f"status {outcome.status}: {outcome.errors[-300:]}"
    return result(folder)


def refused(outcome: Outcome, *words: str) -> str | None:
    """None where a command ended with status 1 and an error that says each of `words`."""
    if outcome.crash is not None:
        return outcome.crash
    if outcome.status != 1:
        return f"status {outcome.status}: {outcome.errors[-300:]}"
    missing = [word for word in words if word.lower() not in outcome.errors.lower()]
    return f"the error does not say {missing}: {outcome.errors[-400:]}" if missing else None


def resumes(first: Outcome, folder: Path, *words: str) -> str | None:
    """None where a command was refused clearly and the same command then does its work."""
    return refused(first, *words) or right(score(folder), folder)


def plain(outcome: Outcome) -> str | None:
    """None where a command did its work, or was refused without a traceback."""
    if outcome.crash is not None or outcome.status in (0, 1):
        return outcome.crash
    return f"status {outcome.status}: {outcome.errors[-300:]}"
