"""The process of an isolated model as the evaluator sees it: it is asked, answers in time, or fails."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from kapbench.errors import KapbenchError
from kapbench.isolated.wire import Message, WireError, read, write
from kapbench.shown_text import escape_hidden

MOST_PRINTED = 2**14  # bytes of the model's standard error that are kept
_LINES_SHOWN = 12
_END_S = 5.0


class ModelProcess:
    """A started process that answers messages.

    Args:
        seconds: The most that one answer may take.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
    ) -> None:
        self.seconds = seconds
        # Its own session: Ctrl-C is for the evaluator, which then ends it.
        self._process = subprocess.Popen(  # noqa: S603
            words,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._printed = _Tail(self._process.stderr)
        self._requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Message | Exception | None] = queue.SimpleQueue()
        streams = self._process.stdin, self._process.stdout
        # Daemon threads: a pipe that a stranger's process keeps open must not keep kapbench alive.
        threading.Thread(
            target=_exchange, args=(*streams, self._requests, self._answers), daemon=True
        ).start()
        self._failure: KapbenchError | None = None
        self.close = weakref.finalize(self, _end, self._process, self._requests)

    def ask(self, request: Message) -> Message:
        """The answer to a request.

        Raises:
            KapbenchError: the model failed; or its process ended, answered too late or in a wrong
                form. It is ended then, and every later request fails too.
        """
        if self._failure is not None:
            raise self._failure
        self._requests.put(request)
        try:
            answer = self._answers.get(timeout=self.seconds)
        except queue.Empty:
            raise self._failed(
                f"The isolated model gave no answer within {self.seconds:g} s",
                "Allow more time with --model-seconds, or look for what it waits for",
            ) from None
        if isinstance(answer, Message):
            return answer
        if isinstance(answer, WireError):
            raise self.malformed(str(answer))
        raise self._ended()

    def malformed(self, why: str) -> KapbenchError:
        """Ends the process; the error for an answer that is none."""
        return self._failed(
            f"The isolated model's process sent a malformed answer: {why.rstrip('.')}",
            "Leave the process's file descriptors alone: only kapbench writes answers",
        )

    def _ended(self) -> KapbenchError:
        try:
            status = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            status = None
        how = "closed its pipe" if status is None else f"ended with {_in_words(status)}"
        return self._failed(
            f"The isolated model's process {how} before it answered",
            "Look for what ends it: memory that runs out, os._exit(), or an error in compiled code",
        )

    def _failed(self, thing: str, fix: str) -> KapbenchError:
        self.close()
        printed = self._printed.text()
        self._failure = KapbenchError(f"{thing}{printed}", fix=fix)
        return self._failure


class _Tail:
    """The last that a process printed, read as it comes, so that the process never waits."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream, self._bytes = stream, b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with self._stream, contextlib.suppress(OSError):
            while content := os.read(self._stream.fileno(), MOST_PRINTED):
                self._bytes = (self._bytes + content)[-MOST_PRINTED:]

    def text(self) -> str:
        """The last lines, with what could steer a terminal escaped; empty where there are none."""
        self._thread.join(1.0)
        lines = self._bytes.decode(errors="replace").strip().splitlines()[-_LINES_SHOWN:]
        shown = "".join(f"\n    {escape_hidden(line)[:300]}" for line in lines)
        return f". The last lines that it printed:{shown}" if shown else ""


def _exchange(
    to_model: IO[bytes],
    from_model: IO[bytes],
    requests: "queue.SimpleQueue[Message | None]",
    answers: "queue.SimpleQueue[Message | Exception | None]",
) -> None:
    """Sends requests and takes answers, one after the other, until one of the pipes is closed.

    None as a request: there is no other. None as an answer: the model closed its pipe.
    """
    with to_model, from_model:
        while (request := requests.get()) is not None:
            answer: Message | Exception | None
            try:
                write(to_model, request)
                answer = read(from_model)
            except (OSError, MemoryError, WireError) as error:
                answer = error
            answers.put(answer)
            if not isinstance(answer, Message):
                return


def _in_words(status: int) -> str:
    number = -status if status < 0 else status - 128  # as the shell and the jail write it
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(number).name}"
    return f"status {status}"


def _end(process: "subprocess.Popen[bytes]", requests: "queue.SimpleQueue[Message | None]") -> None:
    """Ends a process and all of its group, and the thread that talks to it."""
    requests.put(None)
    if process.poll() is None:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
