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
