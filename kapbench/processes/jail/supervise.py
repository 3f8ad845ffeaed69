"""Limits of the processes of a jail: those that the system keeps, and those that are watched here."""

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kapbench.processes.jail.protections import COUNTS, EXCEEDED, LIMITS

_TICK_S = 0.1
_PROC = Path("/proc")


def protections_here() -> frozenset[str]:
    """What this module guards against here: /proc must be that of the own process namespace."""
    is_own = (_PROC / "self").exists() and str((_PROC / "self").readlink()) == str(os.getpid())
    return frozenset({LIMITS} | ({COUNTS} if is_own else set()))


def set_limits(settings: dict[str, Any]) -> None:
    """Limits of this process and of its descendants, each."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, settings["file_bytes"])
    _limit(resource.RLIMIT_CPU, settings["cpu_seconds"])
    if sys.platform == "linux":  # elsewhere it is counted otherwise, or refused
        _limit(resource.RLIMIT_AS, settings["address_bytes"])


def _limit(which: int, most: int | None) -> None:
    if most is not None:
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def watch(child: int, settings: dict[str, Any], starter: int) -> int:
    """Waits for the command, ends it where it exceeds a limit, and ends all that it started.

    Returns:
        The status to end with.
    """
    end = None if settings["seconds"] is None else time.monotonic() + settings["seconds"]
    status = None
    while status is None:
        status = _reap(child)
        if status is None:
            reason = _exceeded(settings, end)
            if reason is not None or os.getppid() != starter:
                _say(reason)
                status = EXCEEDED
            else:
                sleep_until_child_ends(_TICK_S)
    _end_all(child)
    return status


def sleep_until_child_ends(seconds: float) -> None:
    """SIGCHLD must be blocked, as the launcher does."""
    if sys.platform == "linux":
        signal.sigtimedwait({signal.SIGCHLD}, seconds)
    else:
        time.sleep(seconds / 4)


def exit_status(status: int) -> int:
    """As a shell says it: the status, or 128 plus the number of the signal."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _reap(child: int) -> int | None:
    """Takes note of all children that ended; the exit status of the command, if it is among them."""
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if ended == child:
            return exit_status(status)
        if ended == 0:
            return None


def _exceeded(settings: dict[str, Any], end: float | None) -> str | None:
    """Why the command is to be ended."""
    if end is not None and time.monotonic() > end:
        return f"it was not finished after {settings['seconds']:g} s"
    n_threads = n_bytes = 0
    for process in _descendants():
        with contextlib.suppress(OSError, ValueError):
            n_threads += sum(1 for _ in (_PROC / str(process) / "task").iterdir())
            fields = (_PROC / str(process) / "statm").read_text("ascii").split()
            n_bytes += int(fields[1]) * resource.getpagesize()
    if n_threads > settings["n_threads"]:
        return f"it had more than {settings['n_threads']} threads"
    most = settings["memory_bytes"]
    if most is not None and n_bytes > most:
        return f"it had more than {most / 2**30:.3g} GiB in memory"
    return None


def _say(reason: str | None) -> None:
    if reason is not None:
        with contextlib.suppress(OSError):
            os.write(2, f"\nThe process was ended because {reason}.\n".encode())


def _descendants() -> Iterator[int]:
    """Processes that descend from this one, as /proc names them; without /proc: none."""
    children: dict[int, list[int]] = {}
    with contextlib.suppress(OSError):
        for path in _PROC.glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                about = path.read_bytes().rpartition(b")")[2].split()
                children.setdefault(int(about[1]), []).append(int(path.parent.name))
    waiting = [os.getpid()]
    while waiting:
        own = children.pop(waiting.pop(), [])
        yield from own
        waiting += own


def _end_all(child: int) -> None:
    """Kills the command and every process that it started, until there is none."""
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    if os.getpid() == 1:
        return  # the kernel ends all others of the namespace when its first process ends
    for _ in range(1000):
        remaining = list(_descendants())
        for process in remaining:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        _reap(0)
        if not remaining:
            return
        time.sleep(0.002)
