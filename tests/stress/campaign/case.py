"""One case of the campaign, and the commands that cases start."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PYTHON = os.environ.get("KAPBENCH_STRESS_PYTHON", sys.executable)  # another version's, to compare
TESTS = Path(__file__).parents[2]
SECONDS = 60.0
_GIBI = 2**30


@dataclass(frozen=True, slots=True)
class Case:
    """One attack, or a batch of them.

    `check` works in an empty folder. It returns None where everything held, or what did not; of a
    batch of `n_inputs`, a text for each of them that did not hold.
    """

    name: str
    check: Callable[[Path], str | Sequence[str] | None]
    n_inputs: int = 1


class Kind(Protocol):
    """A module of the campaign.

    `NAME`: of the kind, in the table. `SHORT`, `FULL`: how many cases the test suite and the whole
    campaign run.
    """

    NAME: str
    SHORT: int
    FULL: int

    def cases(self, seed: int) -> Iterator[Case]:
        """Cases in an order that the seed decides; the same seed gives the same cases."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended. `status` is negative where a signal ended it; None: it ran too long."""

    status: int | None
    output: str
    errors: str

    @property
    def crash(self) -> str | None:
        """What no user may ever see: a hang, a signal or a traceback; None: there was none."""
        if self.status is None:
            return f"did not end: {self.errors[-300:]}"
        if self.status < 0:
            return f"ended by {signal.Signals(-self.status).name}: {self.errors[-300:]}"
        if "Traceback (most recent call last)" in self.errors + self.output:
            return f"traceback: {(self.errors + self.output)[-300:]}"
        return None


def mistake_of_case(errors: str) -> str | None:
    """What is wrong with the code of an attack, whose failure would else count as a refusal."""
    wrong = re.search(r"\b(NameError|SyntaxError|IndentationError|ImportError)\b.{0,200}", errors)
    return f"the attack's own code is wrong: {wrong[0]}" if wrong else None


def command(
    words: Sequence[str],
    folder: Path,
    *,
    seconds: float = SECONDS,
    memory_gib: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs `kapbench WORDS` in a folder, in its own process group, which ends with it.

    Args:
        seconds: After which it is killed.
        memory_gib: The most address space that it may have.
    """
    return python(["-m", "kapbench", *words], folder, seconds, memory_gib, environment)


def python_of_campaign(
    module: str, words: Sequence[str], folder: Path, seconds: float = SECONDS
) -> Outcome:
    """Runs `python -m MODULE WORDS` of the campaign's own, under the version that is attacked."""
    searched = os.pathsep.join(str(TESTS / name) for name in ("stress", "support"))
    return python(["-m", module, *words], folder, seconds, environment={"PYTHONPATH": searched})


def python(
    words: Sequence[str],
    folder: Path,
    seconds: float = SECONDS,
    memory_gib: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs Python as `command` runs kapbench."""

    own = {"KAPBENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        [PYTHON, *words],
        cwd=folder,
        env=os.environ | own | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    if memory_gib is not None:
        most = int(memory_gib * _GIBI)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (most, most))
    try:
        output, errors = process.communicate(timeout=seconds)
        return Outcome(process.returncode, output, errors)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        return Outcome(None, output, errors)
