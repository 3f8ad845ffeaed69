"""`kapbench sweep`: every model of a list on every data set of a list, and one table."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench import registry
from kapbench.cli.distributed import Names, Spread, spread_options
from kapbench.cli.options import typed
from kapbench.cli.report_hook import runs_table
from kapbench.cli.run_options import CONTROL, RunJob, check_names, running_options
from kapbench.cli.sweep_table import Line, SweepTable
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.running.results import RunCard
    from kapbench.running.run import Finished

_LIST = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("models", type=_LIST)
@click.argument("datasets", type=_LIST)
@click.option("--split", default="test", show_default=True)
@running_options
@spread_options
def sweep(
    models: Path,
    datasets: Path,
    split: str,
    data_root: Path | None,
    control: bool,
    shard: str | None,
    executor: str,
    shards: int | None,
    scheduler: str | None,
    slurm: tuple[str, ...],
    **running: Any,
) -> None:
    """Score every model of MODELS on every data set of DATASETS.

    Both are text files: one name a line, as `kapbench run` takes it, then KEY=VALUE options of it;
    # begins a remark. What fails is named at the end, and the rest goes on. The same command
    resumes: what is finished is not done again.

    \b
    Examples:
      kapbench sweep models.txt datasets.txt
      kapbench sweep models.txt datasets.txt --workers 8 --rule kap-v1 --rule pck-v1
      kapbench sweep models.txt datasets.txt --shard 3/8          # on each of eight machines
      kapbench sweep models.txt datasets.txt --executor slurm --shards 8 --slurm gpus_per_node=1
    """
    spread = Spread(shard, executor, shards, scheduler, slurm)
    rows = lines(models)
    if control and shard is None:
        rows = [*(line for line in rows if line.spec != CONTROL), Line(CONTROL, ())]
    columns = lines(datasets)
    _check(rows, columns, running)
    table = SweepTable(rows, columns, show=not running["quiet"])
    done: dict[Path, RunCard] = {}
    job: RunJob | None = None
    with table.shown():
        for data in table.datasets:
            opened: RunJob | None = None
            for model in table.models:
                with table.cell(model, data) as cell:
                    if opened is None:
                        opened = job = _open(data, split, data_root, running)
                    opened.told = cell.progress
                    names = Names(
                        model.spec, data.spec, typed("models", model.spec, model.options), split,
                        data_root, data.options,
                    )  # fmt: skip
                    finished = _score(opened, names, spread)
                    if isinstance(finished, str):
                        cell.ended = finished
                    else:
                        done[finished.folder] = finished.card
    if done and job is not None:
        click.echo(runs_table()(done, rules=job.rule_names or None, alpha=job.alpha), nl=False)
    table.raise_failures()


def lines(path: Path) -> list[Line]:
    """
    Raises:
        KapbenchError: no name in the file, one twice, or one that cannot be read.
    """
    found: list[Line] = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            words = shlex.split(text, comments=True)
        except ValueError as error:
            raise KapbenchError(
                f"line {number} cannot be read: {error}", place=path, fix="close the quotes"
            ) from error
        if words:
            line = Line(words[0], tuple(words[1:]))
            if line in found:
                raise KapbenchError(
                    f"'{line}' stands there twice, last in line {number}", place=path
                )
            found.append(line)
    if not found:
        raise KapbenchError("names nothing", place=path, fix="write one name a line")
    return found


def _check(models: list[Line], datasets: list[Line], running: dict[str, Any]) -> None:
    """KapbenchError at once where a name or an option could only fail later."""
    for line in models:
        options = typed("models", line.spec, line.options)
        check_names(line.spec, options, running["rules"], running["device"])
    for line in datasets:
        registry.resolve("datasets", line.spec)
        typed("datasets", line.spec, line.options)


def _open(data: Line, split: str, data_root: Path | None, running: dict[str, Any]) -> RunJob:
    from kapbench.loading import load_dataset

    options = {"split": split, "data_root": data_root} | typed("datasets", data.spec, data.options)
    return RunJob(load_dataset(data.spec, **options), **running)


def _score(job: RunJob, names: Names, spread: Spread) -> "Finished | str":
    """A finished run, or in words why there is none."""
    if names.model == CONTROL:
        return job.control() or "no rule for it"
    if spread.wanted and not spread.over(job, names):
        return "taken"
    return job.score(names.model, names.model_options)
