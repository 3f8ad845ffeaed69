"""Reading ahead of who needs it: in order, by one thread, and never far."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def ahead(job: Callable[[Any], Any], items: Iterable[Any], depth: int) -> Iterator[Any]:
    """`map(job, items)`, of which up to `depth` results are made before they are asked for.

    One thread, so that a disk is read in order and a data set is never asked twice at once; decoding
    images leaves the interpreter free for the model meanwhile. What a job raises is raised in its turn.
    """
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="kapbench-ahead") as pool:
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
