"""Which process made a temporary file or holds a lock, and whether it is gone.

Several hosts may share one file system, so a number alone does not name a process.
"""

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TOKEN = re.compile(r"([0-9a-f]{8})-(\d{1,10})-(\d{1,20})")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of some host.

    Args:
        place: 8 digits for the host, its boot and its table of processes.
        pid: Its number there.
        start: When it started, in ticks after the boot; 0 where the system does not say. Numbers
            are used again, and this tells two processes of one number apart.
    """

    place: str
    pid: int
    start: int

    @classmethod
    def parse(cls, text: str) -> "Process | None":
        """The process that `str` was taken of, from a text that holds it."""
        token = _TOKEN.search(text)
        return None if token is None else cls(token[1], int(token[2]), int(token[3]))

    def __str__(self) -> str:
        return f"{self.place}-{self.pid}-{self.start}"

    @property
    def gone(self) -> bool | None:
        """Whether it has ended. None: it is of another host or boot, or the system does not say."""
        if self.place != _place() or os.name == "nt":  # os.kill would end it on Windows
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:  # it is another user's
            return False
        except OverflowError:  # no process has such a number
            return True
        return _start(self.pid) != self.start or _is_zombie(self.pid)


def this_process() -> Process:
    """The process that calls this, which a fork changes."""
    pid = os.getpid()
    return Process(_place(), pid, _start(pid))


def host_name() -> str:
    """The name of this machine, for people."""
    return socket.gethostname() or "a host without a name"


@cache
def _place() -> str:
    parts = [host_name()]
    for path in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        try:
            parts.append(Path(path).read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            parts.append("")
    try:
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append("")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _start(pid: int) -> int:
    fields = _status(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def _is_zombie(pid: int) -> bool:
    return _status(pid)[:1] == ["Z"]


def processor_ticks(pid: int) -> int:
    """Processor time of a process in ticks; 0 where the system does not say."""
    fields = _status(pid)
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0


def _status(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces; none without /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
