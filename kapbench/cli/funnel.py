"""The one place that errors pass on their way to the terminal, and what each does to the status.

Status 1: an error that the user can correct. 2: a wrong use of options. 70: a defect of kapbench.
130: Ctrl-C. 141: the reader of standard output has gone. 143: SIGTERM or SIGHUP.
"""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from kapbench.cli.defect import DEFECT, report
from kapbench.cli.explain import explain
from kapbench.processes.stopping import stop_on_signals, stopped_status

NO_READER = 141  # what a shell expects of a program whose reader has gone (SIGPIPE)


@contextmanager
def funnel(debug: bool) -> Iterator[None]:
    """Turns whatever a command raises into a message and a status; with `debug`, raises it.

    Raises:
        click.ClickException: an error that the user can correct.
        click.exceptions.Exit: every other end but the good one.
    """
    _prepare_streams()
    try:
        with stop_on_signals():
            yield
            _flush()
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command resumes", err=True)
        raise click.exceptions.Exit(stopped_status()) from None
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
