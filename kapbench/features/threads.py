"""Work ahead of who needs it: in order, and never far."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def ahead(
    job: Callable[[Any], Any], items: Iterable[Any], depth: int, threads: int = 1
) -> Iterator[Any]:
    """`map(job, items)`, of which up to `depth` results are made before they are asked for.

    With one thread a disk is read in order, and a data set is never asked twice at once; decoding
    images leaves the interpreter free for the model meanwhile. What a job raises is raised in its turn.
    """
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="kapbench-ahead") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(job, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


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
