"""Executors of many machines: dask.distributed, and Slurm by submitit."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError


@dataclass(frozen=True, slots=True)
class Dask:
    """Workers of a dask scheduler; without one, processes of this machine.

    Args:
        scheduler: Its address, tcp://HOST:PORT.
        workers: Processes, where there is no scheduler.
        resources: What a task needs of a worker, e.g. {"GPU": 1}.
    """

    scheduler: str | None = None
    workers: int = 2
    resources: dict[str, float] = field(default_factory=dict)

    def run(
        self, job: Callable[[Any], Any], shards: Iterable[Any]
    ) -> Iterator[tuple[Any, str | None]]:
        """Answers as they come. A task whose worker died goes to another; one that kills several
        workers is answered (shard, why), as all are that a scheduler which died left undone.

        Raises:
            KapbenchError: dask is not there, or no scheduler at the address.
        """
        distributed = _distributed()
        with _silent(), self._client(distributed.Client) as client:
            waiting = {
                client.submit(job, shard, pure=False, resources=self.resources or None): shard
                for shard in shards
            }
            try:
                for future in distributed.as_completed(list(waiting)):
                    error = future.exception()
                    shard = waiting.pop(future)
                    yield (
                        (shard, f"{type(error).__name__}: {error}") if error is not None
                        else future.result()
                    )  # fmt: skip
            except (asyncio.CancelledError, CancelledError, OSError):
                yield from ((shard, "the scheduler is gone") for shard in waiting.values())

    def _client(self, connect: Any) -> Any:
        try:
            if self.scheduler is None:
                local = {"n_workers": self.workers, "threads_per_worker": 1}
                return connect(**local, dashboard_address="127.0.0.1:0")
            return connect(self.scheduler, timeout=10)
        except (OSError, TimeoutError, ValueError) as error:
            raise KapbenchError(
                f"no dask scheduler answers: {error}", place=self.scheduler,
                fix="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from error  # fmt: skip


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise KapbenchError(
            "dask is not installed", place="--executor dask", fix="pip install 'kapbench[dask]'"
        ) from error
    return distributed


@contextmanager
def _silent() -> Iterator[None]:
    """Of a scheduler that is gone dask tells with tracebacks; here that is an error of one line."""
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
        cluster: slurm; local or debug to try without one.
    """

    folder: Path
    parameters: dict[str, Any] = field(default_factory=dict)
    cluster: str = "slurm"

    def run(
        self, job: Callable[[Any], Any], shards: Iterable[Any]
    ) -> Iterator[tuple[Any, str | None]]:
        """Answers in the order of the shards; a job that ended without one is answered (shard, why).

        Raises:
            KapbenchError: submitit or Slurm is not there, or refuses a parameter.
        """
        try:
            import submitit
        except ImportError as error:
            raise KapbenchError(
                "submitit is not installed", place="--executor slurm",
                fix="pip install 'kapbench[slurm]'",
            ) from error  # fmt: skip
        numbers = list(shards)
        try:
            executor = submitit.AutoExecutor(folder=str(self.folder), cluster=self.cluster)
            executor.update_parameters(**self.parameters)
            jobs = executor.map_array(job, numbers)
        except (RuntimeError, TypeError, ValueError, NameError, OSError) as error:
            raise KapbenchError(
                f"Slurm does not take the jobs: {str(error).strip().splitlines()[0]}",
                place="--executor slurm", fix="is `sbatch` here, and every --slurm KEY=VALUE sound?",
            ) from error  # fmt: skip
        for number, submitted in zip(numbers, jobs, strict=True):
            try:
                yield submitted.result()
            except Exception as error:  # noqa: BLE001  submitit raises whatever ended the job
                lines = str(error).strip().splitlines()
                yield number, f"{type(error).__name__}: {lines[-1] if lines else 'no word'}"
