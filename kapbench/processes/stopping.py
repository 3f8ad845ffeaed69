"""Ctrl-C and SIGTERM: the first unwinds what runs, a second one ends the process at once."""

import contextlib
import os
import signal
import time
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143  # what a shell expects of a program that Ctrl-C or SIGTERM ended
_SAME_S = 0.3  # signals closer to each other are one: a terminal and a supervisor may both send it


_stops: list[tuple[float, int]] = []  # when this process was told to stop, and by which signal


def stop_on_signals() -> None:
    """Has SIGINT, SIGTERM and SIGHUP of this process raise KeyboardInterrupt in its main thread."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _stop)


def was_terminated() -> bool:
    """Whether the process was told to stop by something else than Ctrl-C."""
    return bool(_stops) and _stops[0][1] != signal.SIGINT


def _stop(number: int, _: FrameType | None) -> None:
    now = time.monotonic()
    if _stops and now - _stops[-1][0] < _SAME_S:
        return
    _stops.append((now, number))
    if len(_stops) > 1:
        with contextlib.suppress(OSError):
            os.write(2, b"\nstopped at once; the same command resumes\n")
        os._exit(TERMINATED if was_terminated() else INTERRUPTED)
    raise KeyboardInterrupt
