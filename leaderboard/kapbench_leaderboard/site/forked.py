"""Work on several cores by processes that share this one's memory, where the system can fork."""

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
MANY = 20  # entries for which processes are worth their start
_MOST = 4
_work: Callable[[int], Any] | None = None  # of a process that was forked


def forked(work: Callable[[int], T], n: int, *, is_large: bool) -> Iterator[T]:
    """`work(0)` … `work(n − 1)`, in order. What it returns, or raises, is pickled.

    Args:
        is_large: Whether the work takes longer than it takes to start processes.
    """
    n_processes = min(os.cpu_count() or 1, _MOST, n)
    if not is_large or n_processes < 2 or not sys.platform.startswith("linux"):
        yield from map(work, range(n))
        return
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        # Of forking beside the idle threads of numpy, which a child does not use.
        warnings.simplefilter("ignore", DeprecationWarning)
        pool = ProcessPoolExecutor(n_processes, context, _start, (work,))
        with pool:
            yield from pool.map(_call, range(n))


def _start(work: Callable[[int], Any]) -> None:
    global _work  # noqa: PLW0603  (a process of the pool has one kind of work)
    _work = work
    # The processes take all cores already; more threads of numpy would wait for each other.
    threadpool_limits(1)


def _call(number: int) -> Any:
    if _work is None:
        raise RuntimeError("The process was not started by `forked`")
    return _work(number)
