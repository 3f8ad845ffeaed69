"""Executors of this machine: this process, or worker processes."""

import multiprocessing
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from kapbench.errors import KapbenchError, described
from kapbench.processes.parent_process import worker_ends_with_parent
from kapbench.running.executor import Executor, Outcome, attempt


@dataclass(frozen=True, slots=True)
class InProcess:
    """One task after another."""

    def run(
        self, job: Callable[[Any], Any], tasks: Iterable[Any]
    ) -> Generator[Outcome, None, None]:
        for task in tasks:
            yield attempt(job, task)


@dataclass(frozen=True, slots=True)
class Processes:
    """`workers` spawned processes with one thread of arithmetic each.

    Each imports the script that was started: a script must start workers below
    `if __name__ == "__main__":`.
    """

    workers: int

    def run(
        self, job: Callable[[Any], Any], tasks: Iterable[Any]
    ) -> Generator[Outcome, None, None]:
        """Outcomes as tasks finish; closing the generator cancels those that have not started."""
        context = multiprocessing.get_context("spawn")
        others = {*multiprocessing.active_children()}
        with ProcessPoolExecutor(self.workers, context, initializer=_begin_worker) as pool:
            waiting = {pool.submit(job, task): task for task in tasks}
            try:
                for future in as_completed(list(waiting)):
                    task, error = waiting.pop(future), future.exception()
                    if error is None:
                        yield Outcome(task, future.result())
                    else:
                        yield Outcome(task, error=_explained(error))
            except KeyboardInterrupt:  # what is finished is kept, what runs is done again
                for worker in {*multiprocessing.active_children()} - others:
                    worker.terminate()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _explained(error: BaseException) -> Exception:
    if isinstance(error, BrokenProcessPool):
        broken = KapbenchError(
            "A worker process died: memory ran out, the model ended it (os._exit, a signal), or the "
            "script that starts the workers starts them again whenever it is imported",
            fix="Run again with fewer --workers (finished chunks are kept); in a script, call "
            'evaluate() below `if __name__ == "__main__":`',
        )
        broken.__cause__ = error
        return broken
    if isinstance(error, Exception):
        return error
    if isinstance(error, KeyboardInterrupt):
        raise error
    return KapbenchError(f"A worker ended its task by {described(error)}")


def local_executor(workers: int) -> Executor:
    return Processes(workers) if workers > 1 else InProcess()


def set_threads(n: int) -> None:
    """Of torch's arithmetic in this process."""
    import torch

    torch.set_num_threads(n)


def threads() -> int:
    """Of torch's arithmetic in this process."""
    import torch

    return int(torch.get_num_threads())


def _begin_worker() -> None:
    import signal

    worker_ends_with_parent()
    set_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
