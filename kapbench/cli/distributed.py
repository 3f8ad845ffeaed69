"""`kapbench run` over many processes or machines: its options, and who does what."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kapbench.cli.options import shown_path, typed
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.cli.run_options import RunJob
    from kapbench.protocols import Executor
    from kapbench.running.distributed.job import Job

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--shard", metavar="I/N", help="Do this share of the run alone, on any machine."),
    click.option(
        "--executor",
        type=click.Choice(["local", "dask", "slurm"]),
        default="local",
        show_default=True,
        help="Who does the shares.",
    ),
    click.option("--shards", type=click.IntRange(1), help="Shares; default: one a worker, or 8."),
    click.option(
        "--scheduler", metavar="ADDRESS", help="Of dask; default: workers of this machine."
    ),
    click.option(
        "--slurm", multiple=True, metavar="KEY=VALUE", help="submitit's, e.g. slurm_partition=gpu."
    ),
)


def spread_options(command: _Command) -> _Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Names:
    """A model and a data set as they were named."""

    model: str
    dataset: str
    model_options: dict[str, Any]
    split: str
    data_root: Path | None
    dataset_texts: tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """How a run is shared out, as asked for."""

    shard: str | None
    executor: str
    shards: int | None
    scheduler: str | None
    slurm: tuple[str, ...]

    @property
    def wanted(self) -> bool:
        return self.shard is not None or self.executor != "local" or self.shards is not None

    def over(self, job: "RunJob", names: Names) -> bool:
        """Does this process's share, or has all of them done; whether the run is to be joined now.

        Raises:
            KapbenchError: options that do not go together; shares that failed twice.
        """
        from kapbench.running.distributed.job import take_all
        from kapbench.running.distributed.shard import Turn

        if job.no_cache:
            raise KapbenchError(
                "shares need a cache that all of them see", place="--no-cache",
                fix="leave it out, or give a shared folder: --cache FOLDER",
            )  # fmt: skip
        turn = None if self.shard is None else Turn.parse(self.shard)
        if turn is not None:
            self._take(turn, job, names)
            return False
        take_all(self._job(job, names), self._executor(job), job.progress())
        return True

    def _take(self, turn: Any, job: "RunJob", names: Names) -> None:
        from kapbench.loading import load_model, pick_device
        from kapbench.paths import cache_root
        from kapbench.running.distributed.shard import take

        model = load_model(
            names.model, device=job.device, dataset=job.dataset.name, precision=job.precision,
            **names.model_options,
        )  # fmt: skip
        done = take(
            turn, model, job.dataset, job.rules_asked, runs_root=job.runs_root,
            cache_root=job.cache or cache_root(), categories=job.categories or None,
            batch_size=job.batch_size, device=pick_device(job.device), progress=job.progress(),
        )  # fmt: skip
        click.echo(
            f"shard {turn}: {done.n_pairs:,} pairs scored; {done.n_parts:,} of {done.n_shards:,} "
            f"parts are in {shown_path(done.folder)}"
        )
        if done.complete:
            click.echo("all parts are there: run the same without --shard to join them")

    def _job(self, job: "RunJob", names: Names) -> "Job":
        from kapbench.paths import cache_root
        from kapbench.running.distributed.job import Job
        from kapbench.running.local_executors import threads

        return Job(
            model=names.model, dataset=names.dataset, split=names.split,
            rules=tuple(rule.name for rule in job.rules_asked), of=self._n(job),
            runs_root=job.runs_root.resolve(), cache_root=(job.cache or cache_root()).resolve(),
            data_root=names.data_root, categories=job.categories or None,
            batch_size=job.batch_size, device=job.device, precision=job.precision,
            model_options=names.model_options, threads=threads(),
            dataset_options=typed("datasets", names.dataset, names.dataset_texts),
        )  # fmt: skip

    def _n(self, job: "RunJob") -> int:
        return self.shards or (job.workers if job.workers > 1 else 8)

    def _executor(self, job: "RunJob") -> "Executor":
        from kapbench.running.distributed.cluster import Dask, Slurm
        from kapbench.running.local_executors import InProcess, Processes

        if self.executor == "dask":
            gpu = {"GPU": 1.0} if self.scheduler and job.device == "cuda" else {}
            return Dask(self.scheduler, max(2, job.workers), gpu)
        if self.executor == "slurm":
            parameters: dict[str, Any] = dict(_pair(text) for text in self.slurm)
            cluster = str(parameters.pop("cluster", "slurm"))
            return Slurm(job.runs_root.resolve() / ".slurm", parameters, cluster)
        return Processes(job.workers) if job.workers > 1 else InProcess()


def _pair(text: str) -> tuple[str, int | str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise KapbenchError(f"'{text}' has no value", place="--slurm", fix="write key=value")
    return key, int(value) if value.isdecimal() else value
