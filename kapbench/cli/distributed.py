"""`run` and `sweep` over many processes or machines: their options, and who scores which shard."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from kapbench.cli.grouped_help import gathered
from kapbench.cli.once import add_once
from kapbench.cli.options import shown_path
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.progress import Progress
    from kapbench.protocols import Dataset
    from kapbench.running.executor import Executor
    from kapbench.running.request import RunRequest

_SHARDS = 8  # where neither --shards nor --workers says how many


@dataclass(frozen=True)
class Machines:
    """How the user wants a run to be distributed."""

    shard: str | None
    executor: str
    shards: int | None
    scheduler: str | None
    slurm: tuple[str, ...]

    @property
    def distributed(self) -> bool:
        return self.shard is not None or self.executor != "local" or self.shards is not None

    def check(self) -> None:
        """KapbenchError for a wrong shard or parameter, before a data set is opened."""
        from kapbench.running.distributed.shard import Shard

        if self.shard is not None:
            Shard.parse(self.shard)
        _slurm_parameters(self.slurm)
        for option, value, executor in (
            ("--scheduler", self.scheduler, "dask"),
            ("--slurm", self.slurm, "slurm"),
        ):
            if value and self.executor != executor:
                raise KapbenchError(
                    f"{option} has no effect with --executor {self.executor}",
                    place=option,
                    fix=f"Add --executor {executor}, or leave {option} out",
                )

    def score(self, request: "RunRequest", dataset: "Dataset", progress: "Progress") -> bool:
        """Scores this machine's shard, or has all shards scored; whether all are to be joined now.

        Raises:
            KapbenchError: a run without a cache; shards that failed twice.
        """
        from kapbench.running.distributed.job import score_all_shards
        from kapbench.running.distributed.shard import Shard, score_shard

        if self.shard is None:
            n_shards = self.shards or (request.workers if request.workers > 1 else _SHARDS)
            score_all_shards(request, n_shards, self._executor(request), progress)
            return True
        shard = Shard.parse(self.shard)
        done = score_shard(replace(request, dataset=dataset), shard, progress)
        click.echo(
            f"Shard {shard}: {done.n_pairs:,} pairs scored; {done.n_scored:,} of {done.n_chunks:,} "
            f"chunks of the run are in {shown_path(done.folder)}"
        )
        if done.complete:
            click.echo("All chunks are scored. Join them by the same command without --shard.")
        return False

    def _executor(self, request: "RunRequest") -> "Executor":
        from kapbench.running.distributed.cluster import Dask, Slurm
        from kapbench.running.local_executors import local_executor

        if self.executor == "dask":
            gpu = {"GPU": 1.0} if self.scheduler and request.device == "cuda" else {}
            return Dask(self.scheduler, max(2, request.workers), gpu)
        if self.executor == "slurm":
            parameters = _slurm_parameters(self.slurm)
            cluster = str(parameters.pop("cluster", "slurm"))
            return Slurm(request.runs_root.resolve() / ".slurm", parameters, cluster)
        return local_executor(request.workers)


def _slurm_parameters(texts: Sequence[str]) -> dict[str, Any]:
    values: dict[str, str] = {}
    for key, equals, value in (text.partition("=") for text in texts):
        if not equals or not key:
            raise KapbenchError(
                f"'{key}{equals}{value}' has no {'key' if equals else 'value'}",
                place="--slurm",
                fix="Write KEY=VALUE, e.g. timeout_min=60",
            )
        add_once(values, key, value, option="--slurm", place="--slurm")
    return {key: int(value) if value.isdecimal() else value for key, value in values.items()}


machine_options = gathered(
    "machines",
    Machines,
    click.option(
        "--shard",
        metavar="I/N",
        help="Score only shard I of N, e.g. 3/8, on any machine that has the same folders. The "
        "command without --shard joins the chunks.",
    ),
    click.option(
        "--executor",
        type=click.Choice(["local", "dask", "slurm"]),
        default="local",
        help="What runs the shards: this machine, dask workers, or a Slurm job array.",
    ),
    click.option(
        "--shards",
        type=click.IntRange(1),
        help=f"Number of shards. Default: the number of --workers, or {_SHARDS}.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Address of the dask scheduler, e.g. tcp://node1:8786. Default: dask workers on this "
        "machine.",
    ),
    click.option(
        "--slurm",
        multiple=True,
        metavar="KEY=VALUE",
        help="A parameter of submitit, e.g. slurm_partition=gpu. Repeat it for more.",
    ),
)
