"""`kapbench` as a program: commands that run models get a process that waits for them.

The code of a model can end its process at once, with any status: by os._exit(0), by a signal, in
native code that crashes. Nothing inside that process can tell. So `kapbench run` and `kapbench sweep`
score in a copy of the process, made before anything large is imported, and the first process reports
how the copy ended. A copy that ends before the command has ended is a failure, whatever its status.

The copy ends with the process that waits for it, and gets the signals that are sent to it. Systems
without fork or sigwaitinfo (Windows, macOS) have no such process: there, os._exit(0) looks like success.
"""

import contextlib
import mmap
import os
import signal
import sys
from typing import NoReturn

from kapbench.errors import KapbenchError
from kapbench.processes.owners import processor_ticks
from kapbench.processes.stopping import INTERRUPTED, TERMINATED

COMMANDS = {"run", "sweep"}  # of those whose models' code runs in this process
_END_S = 10.0  # for which a process whose command has ended may do nothing
_STOP_S = 10.0  # from SIGTERM to the end of the process
_ENDED, _PLACE = 0, 4  # in the memory that both processes see: 1 + status; what runs now
_BYTES = 4096
_LOOK_S = 0.2
_NOT_FLUSHED = 120  # Python's status where standard output cannot be written at its end
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main() -> None:
    """Entry point of the program `kapbench`."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    scores = bool(words) and words[0] in COMMANDS and not {"-h", "--help"} & {*sys.argv}
    if scores and sys.platform == "linux":
        _supervise()
    _command()


def _command() -> None:
    from kapbench.cli.main import main as command

    command()


def _supervise() -> NoReturn:
    from kapbench.processes.parent_process import end_with_parent

    shared = mmap.mmap(-1, _BYTES)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGCHLD})
    waiting = os.getpid()
    child = os.fork()
    if child == 0:
        end_with_parent(waiting)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _score(shared)
    sys.exit(_wait(child, shared))


def _score(shared: mmap.mmap) -> NoReturn:
    """The command, whose end is written down before Python's own end, which a model can disturb."""
    from kapbench.untrusted.plugin_calls import report_calls_to

    own = os.getpid()

    def report(place: str) -> None:
        text = place.encode(errors="replace")[: _BYTES - _PLACE - 1]
        shared[_PLACE : _PLACE + len(text) + 1] = text + b"\0"

    report_calls_to(report)
    status: object = 1
    try:
        _command()
        status = 0
    except SystemExit as end:
        status = end.code
    except KeyboardInterrupt:
        status = INTERRUPTED
    finally:
        number = status if isinstance(status, int) else int(status is not None)
        if os.getpid() != own:  # a copy that a model has made
            os._exit(number or 1)
        for each in _FORWARDED:  # Python's own end may be interrupted anywhere
            signal.signal(each, signal.SIG_DFL)
        _flush()
        shared[_ENDED : _ENDED + 2] = (1 + number % 256).to_bytes(2, "little")
    sys.exit(number)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _wait(child: int, shared: mmap.mmap) -> int:
    """Hands signals on until the copy ends; its status."""
    stopped, idle_s, used = 0, 0.0, 0
    while True:
        ended, raw = os.waitpid(child, os.WNOHANG)
        if ended:
            return _status(os.waitstatus_to_exitcode(raw), stopped, shared)
        info = signal.sigtimedwait({*_FORWARDED, signal.SIGCHLD}, _LOOK_S)
        if info is not None and info.si_signo in _FORWARDED:
            stopped = stopped or info.si_signo
            if info.si_code <= 0:  # sent to this process alone; a terminal sends it to both
                os.kill(child, info.si_signo)
        ending = _recorded(shared) is not None
        before, used = used, processor_ticks(child) if ending else 0  # Python's own end takes time
        if info is None and used == before and (ending or stopped == signal.SIGTERM):
            idle_s += _LOOK_S
        if idle_s > (_END_S if ending else _STOP_S):
            _end(child, shared)
            idle_s = 0.0


def _end(child: int, shared: mmap.mmap) -> None:
    if _recorded(shared) is not None:
        sys.stderr.write(
            "note: threads or exit handlers of the model kept its process from ending; it was ended\n"
        )
    os.kill(child, signal.SIGKILL)


def _recorded(shared: mmap.mmap) -> int | None:
    ended = int.from_bytes(shared[_ENDED : _ENDED + 2], "little")
    return ended - 1 if ended else None


def _status(status: int, stopped: int, shared: mmap.mmap) -> int:
    """The status of this process, with a message where the copy's end was not the command's."""
    recorded = _recorded(shared)
    if recorded is not None:
        return recorded or (status if status == _NOT_FLUSHED else 0)
    if stopped == signal.SIGTERM:  # however it ended: a model may have kept it from stopping
        return TERMINATED
    if stopped and status in (
        INTERRUPTED,
        TERMINATED,
        -stopped,
    ):  # a second signal, or a first early
        return status if status > 0 else 128 + stopped
    how = f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
    place = bytes(shared[_PLACE:]).partition(b"\0")[0].decode(errors="replace")
    out_of_memory = ", as the system does when memory runs out" if status == -signal.SIGKILL else ""
    error = KapbenchError(
        f"The process that scores ended {how}{out_of_memory}, before the command had finished",
        place=place or None,
        fix="Look for os._exit, a signal or a crash in native code. The run is not complete; the "
        "same command scores what is missing",
    )
    sys.stderr.write(f"Error: {error}\n")
    return (status or 1) if status >= 0 else 128 - status
