"""Runs a command in a jail to its end, and keeps a bounded part of what it writes."""

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kapbench.processes.jail.command import MEBI, Limits, jailed_command
from kapbench.processes.jail.protections import EXCEEDED

MOST_OUTPUT = 16 * MEBI
_BLOCK, _KEPT_ERRORS = 1 << 16, 1 << 16
_GRACE_S, _TICK_S = 10.0, 0.1  # beyond the seconds that the jail itself keeps


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Args:
        status: See `jailed_command`; negative where the jail itself was killed.
        output: The first `MOST_OUTPUT` bytes of standard output.
        errors: The last 64 KiB of standard error.
    """

    status: int
    output: bytes
    errors: bytes


def run_jailed(
    words: Sequence[str],
    folder: Path,
    limits: Limits,
    *,
    text: bytes,
    environment: Mapping[str, str],
) -> Ended:
    """Runs the command. One that writes more than `MOST_OUTPUT` bytes is ended.

    Args:
        folder: See `jailed_command`.
        text: For its standard input.
        environment: Its environment variables, and no others.
    """
    with tempfile.TemporaryFile() as given:
        given.write(text)
        given.seek(0)
        with subprocess.Popen(  # noqa: S603
            jailed_command(words, folder, limits),
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        ) as process:
            try:
                return _until_end(process, limits.seconds)
            finally:
                _kill(process)


def _until_end(process: "subprocess.Popen[bytes]", seconds: float | None) -> Ended:
    end = None if seconds is None else time.monotonic() + seconds + _GRACE_S
    ended, n_bytes = Ended(0, b"", b""), 0
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        while True:
            has_ended = process.poll() is not None  # before reading: what it wrote is here then
            n_read = 0
            for key, _ in selector.select(0 if has_ended else _TICK_S):
                block = os.read(key.fd, _BLOCK)
                n_read += len(block)
                if not block:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    ended = replace(ended, output=ended.output + block)
                else:
                    ended = replace(ended, errors=(ended.errors + block)[-_KEPT_ERRORS:])
            n_bytes += n_read
            if n_bytes > MOST_OUTPUT:
                return _exceeded(ended, f"it printed more than {MOST_OUTPUT // MEBI} MiB")
            if end is not None and time.monotonic() > end:
                return _exceeded(ended, f"it was not finished after {seconds:g} s")
            if has_ended and n_read == 0:
                return replace(ended, status=process.returncode)
            if not selector.get_map():
                time.sleep(_TICK_S / 10)


def _exceeded(ended: Ended, reason: str) -> Ended:
    sentence = f"\nThe process was ended because {reason}.\n".encode()
    return replace(ended, status=EXCEEDED, errors=ended.errors + sentence)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """The jail and all in it: the kernel or the launcher ends the rest when the launcher ends."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
