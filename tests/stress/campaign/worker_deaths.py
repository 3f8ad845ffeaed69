"""Runs with workers, stopped at a moment: no process stays, and the next run ends as if undisturbed."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import dots

from campaign.case import PYTHON, SECONDS, Case, command

NAME, SHORT, FULL = "worker deaths", 1, 18
_STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
_ENDS_WITHIN_S = 60.0
_RUN = ["run", "--model", f"{dots.__file__}:Colours", "--dataset", f"{dots.__file__}:Dots"]
_RUN += ["--dataset-option", "n_images=13", "--no-control", "--rule", "kap-v1", "--device", "cpu"]


@dataclass(frozen=True, slots=True)
class Death:
    """Who gets which signals, when. `words`: how the run is distributed."""

    words: tuple[str, ...]
    victim: str
    signals: tuple[signal.Signals, ...]
    moment: str

    @property
    def name(self) -> str:
        sent = ", ".join(number.name for number in self.signals)
        return f"{sent} to the {self.victim}, {self.moment}, {' '.join(self.words)}"


def cases(seed: int) -> Iterator[Case]:
    """Ends without end, in an order that the seed decides."""
    if not Path("/proc/self/stat").exists():  # processes are looked for there
        return
    order = random.Random(seed)
    for number in range(10**6):
        kill = number % 2 == 0
        victim = "parent" if number < 2 else order.choice(("parent", "scorer", "worker", "group"))
        sent = (signal.SIGKILL,) if kill else order.choice(_POLITE)
        if victim == "worker":
            sent = (signal.SIGKILL,)
        moment = "as workers run" if number < 2 else order.choice(list(_MOMENTS))
        words = ("--workers", "2") if number < 2 else order.choice(_WORDS)
        death = Death(words, victim, sent, moment)
        yield Case(death.name, partial(_check, death))


_POLITE = ((signal.SIGTERM,), (signal.SIGINT,), (signal.SIGINT, signal.SIGINT, signal.SIGINT))
_WORDS = (
    ("--workers", "2"),
    ("--shards", "2", "--workers", "2"),
    ("--executor", "dask", "--workers", "2"),
)
_MOMENTS: dict[str, Callable[[Path, int], bool]] = {
    "as it begins": lambda _, __: True,
    "with features": lambda folder, _: any(folder.rglob("cache/**/*.safetensors")),
    "as workers start": lambda _, session: len(_workers(session)) >= 1,
    "as workers run": lambda _, session: len(_workers(session)) >= 2,
    "with a chunk": lambda folder, _: any(folder.rglob("part-*.parquet")),
}


def _check(death: Death, folder: Path) -> str | None:
    environment = os.environ | {"KAPBENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [PYTHON, "-m", "kapbench", *_RUN, *death.words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    try:
        return _stop(death, process, folder) or _finish(death.words, folder)
    finally:
        for left in _of_session(process.pid):
            _send(left, signal.SIGKILL)


def _stop(death: Death, process: subprocess.Popen, folder: Path) -> str | None:
    until = time.monotonic() + SECONDS
    while not _MOMENTS[death.moment](folder, process.pid) and process.poll() is None:
        if time.monotonic() > until:
            return f"never was {death.moment}"
        time.sleep(0.01)
    for number in death.signals:
        for victim in _victims(death.victim, process.pid):
            _send(victim, number)
        time.sleep(0.4 if len(death.signals) > 1 else 0)
    until = time.monotonic() + _ENDS_WITHIN_S
    while process.poll() is None or _of_session(process.pid):
        if time.monotonic() > until:
            return (
                f"{len(_of_session(process.pid))} processes still run after {_ENDS_WITHIN_S:.0f} s"
            )
        time.sleep(0.05)
    errors = (folder / "errors").read_text(errors="replace")
    if "Traceback" in errors:
        return f"traceback: {errors[-400:]}"
    finished = any(folder.rglob("run.json"))
    expected = _STATUS.get(death.signals[0]) if death.victim in ("parent", "scorer") else None
    if expected is not None and process.returncode != expected and not finished:
        return f"status {process.returncode}, not {expected}: {errors[-300:]}"
    if process.returncode == 0 and not finished:
        return "status 0 without a run"
    return None


def _finish(words: Sequence[str], folder: Path) -> str | None:
    again = command([*_RUN, *words], folder, seconds=3 * SECONDS)
    if again.crash or again.status:
        return f"the next run fails: {again.crash or again.errors[-300:]}"
    (records,) = folder.rglob("records.parquet")
    if records.read_bytes() != _undisturbed():
        return "the next run has other records"
    left = [p.name for p in records.parent.rglob("*") if p.name not in _FINISHED]
    return f"the run folder keeps {left[:4]}" if left else None


_FINISHED = {"run.json", "records.parquet", ".lock"}


@cache
def _undisturbed() -> bytes:
    with TemporaryDirectory(prefix="kapbench-stress-") as name:
        done = command(_RUN, Path(name))
        if done.status:
            raise RuntimeError(f"an undisturbed run fails: {done}")
        (records,) = Path(name).rglob("records.parquet")
        return records.read_bytes()


def _victims(victim: str, parent: int) -> list[int]:
    if victim == "group":
        return _of_session(parent)
    if victim == "worker":
        return _workers(parent)[:1]
    scorers = [pid for pid in _of_session(parent) if pid != parent and pid not in _workers(parent)]
    return scorers[:1] if victim == "scorer" and scorers else [parent]


def _workers(session: int) -> list[int]:
    """Processes that multiprocessing has spawned."""
    return [pid for pid in _of_session(session) if b"spawn_main" in _words(pid)]


def _of_session(session: int) -> list[int]:
    """Living processes of a session, in order."""
    living = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                living.append(int(entry.name))
    return sorted(living)


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
