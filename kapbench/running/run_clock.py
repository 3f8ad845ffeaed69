"""When a run began and how long it has taken over all its sessions, kept until it is finished."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from kapbench.errors import KapbenchError
from kapbench.running.provenance import now
from kapbench.storage import write_atomically

SESSIONS = "sessions.json"


@dataclass(frozen=True)
class Clock:
    """`earlier`: seconds of the sessions before this one, which `since` began."""

    path: Path
    started: str
    earlier: float
    since: float

    @property
    def seconds(self) -> float:
        return self.earlier + monotonic() - self.since

    def save(self) -> None:
        content = {"started": self.started, "seconds": self.seconds}
        write_atomically(self.path, json.dumps(content).encode())


@contextmanager
def session(folder: Path) -> Iterator[Clock]:
    """Goes on with the clock of an unfinished run; forgets it once the run is finished."""
    clock = _resumed(folder / SESSIONS)
    clock.save()
    try:
        yield clock
    except BaseException:
        with contextlib.suppress(KapbenchError):  # what went wrong first is what is told
            clock.save()
        raise
    clock.path.unlink(missing_ok=True)


def _resumed(path: Path) -> Clock:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Clock(path, str(found["started"]), float(found["seconds"]), monotonic())
    except (OSError, ValueError, KeyError, TypeError):  # none, or damaged: only time is forgotten
        return Clock(path, now(), 0.0, monotonic())
