"""Ctrl-C and SIGTERM: the first unwinds what runs, a second one ends the process at once."""

import contextlib
import os
import signal
import sys
import time
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143  # what a shell expects of a program that Ctrl-C or SIGTERM ended
_SAME_S = 0.3  # signals closer to each other are one: a terminal and a supervisor may both send it


class Terminated(KeyboardInterrupt):
    """SIGTERM, which unwinds as Ctrl-C does: no code that catches exceptions stops it."""


_last: list[float] = []  # when this process was told to stop


def stop_on_signals() -> None:
    """Has SIGINT, SIGTERM and SIGHUP of this process raise once, in its main thread."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _stop)


def _stop(number: int, _: FrameType | None) -> None:
    now = time.monotonic()
    if _last and now - _last[-1] < _SAME_S:
        return
    if _last:
        with contextlib.suppress(OSError):
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"\nstopped at once\n")
        os._exit(INTERRUPTED if number == signal.SIGINT else TERMINATED)
    _last.append(now)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated
