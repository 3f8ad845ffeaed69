"""When a run began and how long it took over all its sessions, kept until it is finished."""

import contextlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

from kapbench.errors import KapbenchError
from kapbench.running.provenance import now
from kapbench.storage import write_atomically
from kapbench.untrusted.regular_files import read_regular
from kapbench.untrusted.strict_text import json_value

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
        write_atomically(self.path, json.dumps(content).encode(), durable=False)


@contextmanager
def session(folder: Path) -> Iterator[Clock]:
    """Continues the clock of an unfinished run; removes it once the run is finished."""
    clock = _resumed(folder / SESSIONS)
    clock.save()
    try:
        yield clock
    except BaseException:
        with contextlib.suppress(KapbenchError):  # the first error is the one to report
            clock.save()
        raise
    clock.path.unlink(missing_ok=True)


def _resumed(path: Path) -> Clock:
    try:
        content = json_value(read_regular(path))
        started, seconds = str(content["started"]), float(content["seconds"])
        datetime.fromisoformat(started)
        if 0 <= seconds < math.inf:
            return Clock(path, started, seconds, monotonic())
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        pass  # missing or damaged: only the time is lost
    return Clock(path, now(), 0.0, monotonic())
