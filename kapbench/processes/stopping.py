"""Ctrl-C, SIGTERM and SIGHUP: the first unwinds what runs, a second one ends the process at once.

Finished work is whole files, so that nothing is lost by either. What is left half-written is swept by
the next command.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143  # what a shell expects of a program that Ctrl-C or SIGTERM ended
_SAME_S = 0.3  # signals closer to each other are one: a terminal and a supervisor may both send it
_SHOW_CURSOR = "\x1b[?25h"
_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if sys.platform != "win32":
    _SIGNALS += (signal.SIGHUP,)

_stops: list[tuple[float, int]] = []  # when this process was told to stop, and by which signal


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Has signals raise KeyboardInterrupt in the main thread; where one came, also afterwards.

    A signal that has a handler already, or is ignored, as SIGHUP is by nohup, stays as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    replaced = [n for n in before if before[n] in (signal.SIG_DFL, signal.default_int_handler)]
    owner = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() == owner:
            _stop(number)
        else:  # a copy that a library or a model has made
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in replaced:
        signal.signal(number, stop)
    try:
        yield
    finally:
        if not _stops:  # else Python's own end may be interrupted, which prints a traceback
            for number in replaced:
                signal.signal(number, before[number])


def stopped_status() -> int:
    """The status of a process that was told to stop."""
    return TERMINATED if _stops and _stops[0][1] != signal.SIGINT else INTERRUPTED


def _stop(number: int) -> None:
    now = time.monotonic()
    if _stops and now - _stops[-1][0] < _SAME_S:
        return
    _stops.append((now, number))
    if len(_stops) > 1:
        with suppress(OSError):
            cursor = _SHOW_CURSOR if os.isatty(2) else ""
            os.write(2, f"{cursor}\nstopped at once; the same command resumes\n".encode())
        os._exit(stopped_status())
    raise KeyboardInterrupt
