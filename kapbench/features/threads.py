"""Threads that work ahead of, or behind, the thread that needs their results."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any


def ahead(
    job: Callable[[Any], Any], items: Iterable[Any], depth: int, threads: int = 1
) -> Generator[Any, None, None]:
    """`map(job, items)`, of which up to `depth` results are made before they are needed.

    With one thread, a disk is read in order and a data set is never called twice at once. A job's
    exception is raised when its result is due. A caller that may stop early closes the generator:
    left to the garbage collector, a thread of the pool could be the one that waits for the pool.
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

    A job's exception is raised by a later `hand`, or by `finish`. If the block ends by an exception,
    the remaining jobs are still done, and their own exceptions are dropped.
    """

    def __init__(self, depth: int, threads: int) -> None:
        self._depth = depth
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kapbench-behind")
        self._unfinished: deque[Future[None]] = deque()

    def hand(self, job: Callable[..., None], *arguments: Any) -> None:
        """Waits while `depth` jobs are unfinished."""
        self._unfinished.append(self._pool.submit(job, *arguments))
        while len(self._unfinished) > self._depth:
            self._unfinished.popleft().result()

    def each(self, job: Callable[..., Any], *arguments: Iterable[Any]) -> Iterator[Any]:
        """`map(job, *arguments)` on the threads. All jobs are done before the first result."""
        futures = [self._pool.submit(job, *each) for each in zip(*arguments, strict=True)]
        wait(futures)
        return (future.result() for future in futures)

    def finish(self) -> None:
        """Waits for all jobs."""
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
