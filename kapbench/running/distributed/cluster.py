"""Executors of many machines: dask.distributed, and Slurm by submitit."""

import asyncio
import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.running.executor import Outcome, attempt


@dataclass(frozen=True, slots=True)
class Dask:
    """Workers of a dask scheduler, or processes of this machine where no scheduler is named.

    Args:
        scheduler: Its address, tcp://HOST:PORT.
        workers: Number of processes, where no scheduler is named.
        resources: What a task needs of a worker, e.g. {"GPU": 1}.
    """

    scheduler: str | None = None
    workers: int = 2
    resources: dict[str, float] = field(default_factory=dict)

    def run(
        self, job: Callable[[Any], Any], tasks: Iterable[Any]
    ) -> Generator[Outcome, None, None]:
        """Outcomes as they come. A task whose worker died goes to another worker; a task that kills
        several workers fails, as do all that are unfinished when the scheduler dies.

        Raises:
            KapbenchError: dask is not installed, or no scheduler answers at the address.
        """
        distributed = _distributed()
        with _quiet_loggers(), self._client(distributed.Client) as client:
            attempt_job = partial(attempt, job)
            waiting = {
                client.submit(attempt_job, task, pure=False, resources=self.resources or None): task
                for task in tasks
            }
            try:
                for future in distributed.as_completed(list(waiting)):
                    error, task = future.exception(), waiting.pop(future)
                    yield future.result() if error is None else _dead(task, error)
            except (asyncio.CancelledError, CancelledError, OSError):
                gone = KapbenchError(
                    "The dask scheduler no longer answers",
                    place=self.scheduler,
                    fix="Start the scheduler and its workers again",
                )
                yield from (Outcome(task, error=gone) for task in waiting.values())

    def _client(self, connect: Any) -> Any:
        try:
            if self.scheduler is None:
                local = {"n_workers": self.workers, "threads_per_worker": 1}
                return connect(**local, dashboard_address="127.0.0.1:0")
            return connect(self.scheduler, timeout=10)
        except (OSError, TimeoutError, ValueError) as error:
            raise KapbenchError(
                f"No dask scheduler answers: {error}",
                place=self.scheduler,
                fix="Start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from error


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise KapbenchError(
            "dask is not installed",
            place="--executor dask",
            fix="Install it: pip install 'kapbench[dask]'",
        ) from error
    return distributed


def _dead(task: Any, error: BaseException) -> Outcome:
    """A task whose worker or job ended before it could give its outcome."""
    lines = str(error).strip().splitlines() or ["without a message"]
    return Outcome(task, error=KapbenchError(f"{type(error).__name__}: {lines[-1]}"))


@contextmanager
def _quiet_loggers() -> Iterator[None]:
    """Dask reports a scheduler that is gone by tracebacks; here that is an error of one line."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = {logger: logger.level for logger in map(logging.getLogger, names)}
    for logger in before:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)


@dataclass(frozen=True, slots=True)
class Slurm:
    """One job array of Slurm, by submitit.

    Args:
        folder: For its logs, on a disk that all machines share.
        parameters: submitit's, e.g. {"slurm_partition": "gpu", "timeout_min": 60}.
        cluster: slurm; or local or debug, to try it without Slurm.
    """

    folder: Path
    parameters: dict[str, Any] = field(default_factory=dict)
    cluster: str = "slurm"

    def run(
        self, job: Callable[[Any], Any], tasks: Iterable[Any]
    ) -> Generator[Outcome, None, None]:
        """Outcomes in the order of the tasks; a job that ended without one is a failure.

        Raises:
            KapbenchError: submitit or Slurm is not installed, or refuses a parameter.
        """
        try:
            import submitit
        except ImportError as error:
            raise KapbenchError(
                "submitit is not installed",
                place="--executor slurm",
                fix="Install it: pip install 'kapbench[slurm]'",
            ) from error
        tasks = list(tasks)
        try:
            executor = submitit.AutoExecutor(folder=str(self.folder), cluster=self.cluster)
            executor.update_parameters(**self.parameters)
            jobs = executor.map_array(partial(attempt, job), tasks)
        except (RuntimeError, TypeError, ValueError, NameError, OSError) as error:
            raise KapbenchError(
                f"Slurm does not accept the jobs: {str(error).strip().splitlines()[0]}",
                place="--executor slurm",
                fix="Check that this machine has `sbatch`, and check each --slurm KEY=VALUE",
            ) from error
        for task, submitted in zip(tasks, jobs, strict=True):
            try:
                outcome = submitted.result()
            except Exception as error:  # noqa: BLE001  submitit raises whatever ended the job
                outcome = _dead(task, error)
            yield outcome
