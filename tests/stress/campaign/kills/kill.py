"""Kills at the events of a command, and what is there afterwards."""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign.kills.events import kill_at, watch
from campaign.kills.scenario import Scenario

KILLED = -9
# Of a run card: times, and the state of a clone in which somebody may work meanwhile.
_TIMES = ("started", "seconds", "seconds_per_image", "git_commit", "git_dirty")
_ANYTHING = ("history.csv", "history.json", "*.log", "*.png", "*.lock", ".lock")
Files = dict[str, str]  # path below the folder, hash of what is the same in every run


@dataclass(slots=True)
class Killing:
    """A scenario below `root`. The folder of the command always has the same path.

    Raises:
        RuntimeError: the command fails without a kill.
    """

    scenario: Scenario
    root: Path
    events: list[str] = field(default_factory=list)
    _before: Files = field(default_factory=dict)
    _expected: Files = field(default_factory=dict)

    def record(self) -> None:
        """Prepares the state, and runs the command once to count its events."""
        for name in ("state", "work"):
            (self.root / name).mkdir()
        with self._served():
            self._must(self._in_fork(lambda: self._prepare()))
            shutil.copytree(self.work, self.root / "state", dirs_exist_ok=True, symlinks=True)
            self._before = files_of(self.work)
            log = os.open(self.root / "events", os.O_CREAT | os.O_WRONLY)
            self._must(self._in_fork(lambda: self._record(log)))
            os.close(log)
        self.events = (self.root / "events").read_text().splitlines()
        self._expected = files_of(self.work)

    def kill(self, event: int, *, after: bool) -> str | None:
        """What does not hold after a kill at an event; None: all holds."""
        shutil.rmtree(self.work)
        shutil.copytree(self.root / "state", self.work, symlinks=True)
        moment = f"killed {'after' if after else 'before'} {self._event(event)}"
        with self._served():
            status = self._in_fork(lambda: self._killed(event, after))
            if status not in (0, KILLED):
                return f"{moment}: ended with status {status} before"
            if lost := self._lost():
                return f"{moment}: {lost}"
            status = self._in_fork(self.scenario.act)
        if status != 0:
            return (
                f"{moment}: the same command then ends with status {status}: {self._last_words()}"
            )
        return (wrong := self._differs()) and f"{moment}: {wrong}"

    @property
    def work(self) -> Path:
        return self.root / "work"

    def _prepare(self) -> int:
        (self.work / "tmp").mkdir()
        self.scenario.prepare(self.work)
        return 0

    def _record(self, log: int) -> int:
        watch(self.work, lambda _, text: os.write(log, f"{text}\n".encode()) and None)
        return self.scenario.act()

    def _killed(self, event: int, after: bool) -> int:
        kill_at(self.work, event, after=after)
        return self.scenario.act()

    def _lost(self) -> str | None:
        """A lasting file that is neither as it was, nor as it will be."""
        kept = {p for pattern in self.scenario.lasting for p in (self.root / "state").glob(pattern)}
        now = files_of(self.work)
        for path in sorted(p for p in kept if p.is_file()):
            name = str(path.relative_to(self.root / "state"))
            if now.get(name) not in (self._before[name], self._expected.get(name, "removed")):
                return f"{_plain(name)} is {'damaged' if name in now else 'lost'}"
        return None

    def _differs(self) -> str | None:
        """A file that another run would not have left."""
        now = files_of(self.work)
        if more := sorted(set(now) - set(self._expected)):
            return f"{_plain(more[0])} is left over"
        if fewer := sorted(set(self._expected) - set(now)):
            return f"{_plain(fewer[0])} is missing after the second run"
        other = sorted(name for name in now if now[name] != self._expected[name])
        return f"{_plain(other[0])} differs after the second run" if other else None

    def _event(self, event: int) -> str:
        what, _, path = self.events[event].partition(" ")
        return f"{what} {_plain(path)}"

    def _last_words(self) -> str:
        return (self.root / "output").read_text(errors="replace").strip()[-300:]

    def _must(self, status: int) -> None:
        if status != 0:
            raise RuntimeError(f"status {status} without a kill: {self._last_words()}")

    def _in_fork(self, act: Callable[[], int]) -> int:
        """The status of a process that does it in the folder; negative: a signal ended it."""
        if (process := os.fork()) == 0:
            status = 70
            try:
                self._enter()
                status = act()
            except BaseException:  # noqa: BLE001  it is told, and the process ends here
                os.write(2, traceback.format_exc().encode())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def _enter(self) -> None:
        os.setsid()
        os.chdir(self.work)
        output = os.open(self.root / "output", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        folders = {"KAPBENCH_CACHE": "cache", "KAPBENCH_DATA": "data", "TMPDIR": "tmp"}
        os.environ |= {key: str(self.work / name) for key, name in folders.items()}
        os.environ.pop("KAPBENCH_RUNS", None)
        tempfile.tempdir = None

    @contextmanager
    def _served(self) -> Iterator[None]:
        """The scenario's file on a server of its own process; an address that stays the same."""
        if self.scenario.serves is None:
            yield
            return
        from campaign.kills.server import served

        with served(self.root / "state" / self.scenario.serves, self.root / "port") as url:
            os.environ["SERVED"] = url
            yield


# With such a file Python's tempfile.gettempdir() tries whether it may write to the folder.
_PROBE = re.compile(r"tmp/[a-z0-9_]{8}")


def files_of(folder: Path) -> Files:
    """Every file and folder, with the hash of what must be the same in every run."""
    files: Files = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if _PROBE.fullmatch(name) and path.is_file():
            continue
        if path.is_dir() or any(path.match(pattern) for pattern in _ANYTHING):
            files[name] = "any"
        else:
            files[name] = hashlib.sha256(_same(path)).hexdigest()
    return files


def _same(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".safetensors" and len(content) > 8:  # whose keys have no order
        end = 8 + int.from_bytes(content[:8], "little")
        return json.dumps(json.loads(content[8:end]), sort_keys=True).encode() + content[end:]
    if path.name != "run.json":
        return content
    card: dict[str, Any] = json.loads(content)
    card["provenance"] = {k: v for k, v in card["provenance"].items() if k not in _TIMES}
    return json.dumps(card, sort_keys=True).encode()


def _plain(path: str) -> str:
    """Without hashes and numbers, so that the same is counted once."""
    return re.sub(
        r"[0-9a-f]{8,}", "#", re.sub(r"(\.(tmp|site|rendering)-)\S*?(?=/| |$)", r"\1#", path)
    )
