"""`kapbench sweep`: every model of a list on every data set of a list, and one table."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench import registry
from kapbench.cli.distributed import Machines, machine_options
from kapbench.cli.grouped_help import GroupedCommand
from kapbench.cli.options import FILE, Spec, typed
from kapbench.cli.results_table import CONTROL, control_request, print_drops, print_table
from kapbench.cli.run_options import HEADINGS, RunOptions, running_options
from kapbench.cli.sweep_table import SweepTable
from kapbench.datasets.altering.corruption_names import CORRUPT, parse_corruptions
from kapbench.errors import KapbenchError
from kapbench.untrusted.strict_text import read_text

if TYPE_CHECKING:
    from kapbench.progress import Progress
    from kapbench.protocols import Dataset
    from kapbench.running.request import RunRequest
    from kapbench.running.result_set import ResultSet


@click.command(cls=GroupedCommand, headings=HEADINGS)
@click.argument("models", type=FILE, required=False)
@click.argument("datasets", type=FILE, required=False)
@click.option(
    "--model",
    "model_lines",
    multiple=True,
    metavar="LINE",
    help="A model, as a line of MODELS: 'sphere backbone=lite0'. Repeat it for more.",
)
@click.option(
    "--dataset",
    "dataset_lines",
    multiple=True,
    metavar="LINE",
    help="A data set, as a line of DATASETS. Repeat it for more.",
)
@running_options
@machine_options
def sweep(
    models: Path | None,
    datasets: Path | None,
    model_lines: tuple[str, ...],
    dataset_lines: tuple[str, ...],
    chosen: RunOptions,
    machines: Machines,
) -> None:
    """Score every model of MODELS on every data set of DATASETS.

    Both are text files. A line holds one name, as `kapbench run` takes it, and KEY=VALUE options
    after it; # begins a comment. Runs that fail are named at the end, and the others go on. The
    same command resumes, and does not repeat what is finished.

    With --corrupt, which takes several severities and can be repeated, every data set is scored as
    it is and with each corruption, and the table shows by how much the scores drop.

    \b
    Examples:
      kapbench sweep models.txt datasets.txt
      kapbench sweep models.txt datasets.txt --workers 8 --rule kap-v1
      kapbench sweep models.txt datasets.txt --shard 3/8   # on each of eight
      kapbench sweep models.txt datasets.txt --executor slurm --shards 8
      kapbench sweep --model lite0 --dataset spair --corrupt fog:1,3,5
    """
    machines.check()
    rows, columns = _specs(models, model_lines, "model"), _specs(datasets, dataset_lines, "dataset")
    corrupted = bool(chosen.corrupt)
    columns = with_corruptions(columns, chosen.corrupt)
    chosen = replace(chosen, corrupt=())
    if chosen.control and machines.shard is None and not corrupted:
        rows = [*(model for model in rows if model.name != CONTROL), Spec(CONTROL)]
    _check(rows, columns, chosen)
    table = SweepTable(rows, columns, show=not chosen.quiet)
    results: list[ResultSet] = []
    request: RunRequest | None = None
    with table.shown():
        for column in columns:
            dataset: Dataset | None = None
            for model in rows:
                with table.cell(model, column) as cell:
                    if dataset is None:
                        dataset = chosen.open_dataset(column)
                    request = chosen.request(model, column, dataset)
                    result = _score(request, dataset, machines, cell.progress)
                    if isinstance(result, str):
                        cell.ended = result
                    else:
                        results.append(result)
    if results and request is not None:
        show = print_drops if corrupted else print_table
        show(results, request.rules, named=bool(chosen.rules))
    table.raise_failures()


def with_corruptions(datasets: list[Spec], corruptions: tuple[str, ...]) -> list[Spec]:
    """Each data set as it is, and with each corruption and severity; without any, as they are.

    Raises:
        KapbenchError: the line of a data set names a corruption of its own.
    """
    for dataset in datasets if corruptions else ():
        if any(option.startswith(f"{CORRUPT}=") for option in dataset.options):
            raise KapbenchError(
                "--corrupt is given, and the line of the data set has corrupt as well",
                place=" ".join([dataset.name, *dataset.options]),
                fix="Leave corrupt out of the line: every data set is scored as it is and corrupted",
            )
    named = [pair for text in corruptions for pair in parse_corruptions(text)]
    options = [(), *((f"corrupt={name}:{severity}",) for name, severity in dict.fromkeys(named))]
    return [Spec(d.name, (*d.options, *option)) for d in datasets for option in options]


def _specs(path: Path | None, lines: tuple[str, ...], name: str) -> list[Spec]:
    """Those of a list or of the command line. click.UsageError where both or none is given."""
    if (path is None) == (not lines):
        argument = f"{name.upper()}S"
        raise click.UsageError(f"Give either the file {argument}, or --{name} once or more")
    return read_list(path) if path is not None else read_lines(lines, f"--{name}")


def read_list(path: Path) -> list[Spec]:
    """KapbenchError for an empty list, a repeated name, or a line that cannot be read."""
    fix = "Give a text file in UTF-8 with one name in each line"
    return read_lines(read_text(path, fix).splitlines(), path)


def read_lines(lines: Sequence[str], path: object) -> list[Spec]:
    """As `read_list`; `path`: where the lines stand, for errors."""
    specs: list[Spec] = []
    for number, text in enumerate(lines, 1):
        try:
            words = shlex.split(text, comments=True)
        except ValueError as error:
            raise KapbenchError(
                f"Line {number} cannot be read: {error}", place=path, fix="Close the quotes"
            ) from error
        if words:
            spec = Spec(words[0], tuple(words[1:]))
            if spec in specs:
                raise KapbenchError(
                    f"Line {number} repeats '{spec}'", place=path, fix="Remove one of the two lines"
                )
            specs.append(spec)
    if not specs:
        raise KapbenchError("The list is empty", place=path, fix="Write one name in each line")
    return specs


def _check(models: list[Spec], datasets: list[Spec], chosen: RunOptions) -> None:
    """Raises KapbenchError at once for a name or an option that could only fail later."""
    for model in models:
        chosen.check(model)
    for dataset in datasets:
        registry.resolve("datasets", dataset.name)
        typed("datasets", dataset.name, dataset.options)


def _score(
    request: "RunRequest", dataset: "Dataset", machines: Machines, progress: "Progress"
) -> "ResultSet | str":
    """A finished run, or in words why there is none."""
    from kapbench.running.run import run

    local = replace(request, dataset=dataset)
    if request.model == CONTROL:
        control = control_request(local)
        return "no rule scores it" if control is None else run(control, progress)
    if machines.distributed and not machines.score(request, dataset, progress):
        return "shard scored"
    return run(local, progress)
