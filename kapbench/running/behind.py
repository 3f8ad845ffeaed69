"""Work behind who hands it over: on other threads, and never far."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Behind:
    """Runs jobs on `threads` threads, of which `depth` at most are unfinished.

    What a job raises is raised by a later `hand`, or by `finish`. Left on an error, it still does all
    that was handed over; what fails then is lost to that error.
    """

    def __init__(self, depth: int, threads: int) -> None:
        self._depth = depth
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kapbench-behind")
        self._unfinished: deque[Future[None]] = deque()

    def hand(self, job: Callable[..., None], *given: Any) -> None:
        """Waits while too much is unfinished."""
        self._unfinished.append(self._pool.submit(job, *given))
        while len(self._unfinished) > self._depth:
            self._unfinished.popleft().result()

    def finish(self) -> None:
        """Waits for all that was handed over."""
        while self._unfinished:
            self._unfinished.popleft().result()

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self._pool.shutdown()
