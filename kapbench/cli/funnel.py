"""The one place that errors pass on their way to the terminal, and what each does to the status.

Status 1: an error that the user can correct. 2: a wrong use of options. 70: a defect of kapbench.
130: Ctrl-C. 141: the reader of standard output has gone.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import click

from kapbench.cli.defect import DEFECT, report
from kapbench.cli.explain import explain

STOPPED = 130  # what a shell expects of a program that Ctrl-C ended
NO_READER = 141  # the same, of a program whose reader has gone (SIGPIPE)
_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def funnel(debug: bool) -> Iterator[None]:
    """Turns whatever a command raises into a message and a status; with `debug`, raises it.

    Raises:
        click.ClickException: an error that the user can correct.
        click.exceptions.Exit: every other end but the good one.
    """
    _prepare_streams()
    try:
        with _interrupts():
            yield
            _flush()
    except KeyboardInterrupt:
        if signal.getsignal(signal.SIGINT) is _end_at_once:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python's own end may be interrupted
        click.echo("\nstopped; the same command resumes", err=True)
        raise click.exceptions.Exit(STOPPED) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:  # whatever it is, the user gets words
        if debug:
            raise
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            _silence(sys.stdout)
            raise click.exceptions.Exit(NO_READER) from None
        _flush_or_silence()
        message = explain(error)
        if message is None:
            click.echo(report(error), err=True)
            raise click.exceptions.Exit(DEFECT) from error
        raise click.ClickException(str(message)) from error


def _prepare_streams() -> None:
    """Standard streams that are open, and that write every sign somehow."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Writes what waits now: an error at the end of the process could not be told."""
    sys.stdout.flush()


def _flush_or_silence() -> None:
    try:
        _flush()
    except (OSError, ValueError):
        _silence(sys.stdout)


def _silence(stream: object) -> None:
    """Lets what still waits in a stream go nowhere, or Python complains at its end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
        os.close(nowhere)


def _reader_is_gone() -> bool:
    if not hasattr(select, "poll"):  # Windows has no such pipes
        return True
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


@contextmanager
def _interrupts() -> Iterator[None]:
    """The first Ctrl-C stops the command, which tidies up; a second one ends the process at once.

    Finished work is whole files, so that nothing is lost by that. What is left half-written is swept
    by the next command.
    """
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return

    def first(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, _end_at_once)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is first:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    with suppress(OSError):
        shown = _SHOW_CURSOR if os.isatty(2) else ""
        os.write(2, f"{shown}\nstopped; the same command resumes\n".encode())
    os._exit(STOPPED)
