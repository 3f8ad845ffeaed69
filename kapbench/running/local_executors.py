"""Where shards run: here, or in worker processes of this machine."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from kapbench.errors import KapbenchError


@dataclass(frozen=True, slots=True)
class InProcess:
    """One shard after another."""

    def run(self, job: Callable[[Any], Any], shards: Iterable[Any]) -> Iterator[Any]:
        yield from map(job, shards)


@dataclass(frozen=True, slots=True)
class Processes:
    """`workers` spawned processes with one arithmetic thread each.

    Each imports the script that was started: what starts workers stands in there below
    `if __name__ == "__main__":`.
    """

    workers: int

    def run(self, job: Callable[[Any], Any], shards: Iterable[Any]) -> Iterator[Any]:
        """Results as they finish; the first error cancels what has not started."""
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.workers, context, initializer=_one_thread) as pool:
            futures = [pool.submit(job, shard) for shard in shards]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BrokenProcessPool as error:
                raise KapbenchError(
                    "a worker process died: for want of memory, or because the script that asked "
                    "for workers does so again whenever it is imported",
                    fix="run again with fewer --workers (finished shards are kept); in a script, "
                    'call evaluate() below `if __name__ == "__main__":`',
                ) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def set_threads(n: int) -> None:
    """Of torch's arithmetic in this process."""
    import torch

    torch.set_num_threads(n)


def threads() -> int:
    """Of torch's arithmetic in this process."""
    import torch

    return int(torch.get_num_threads())


def _one_thread() -> None:
    import signal

    set_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
