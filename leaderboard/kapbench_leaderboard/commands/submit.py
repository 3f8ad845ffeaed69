"""`kapbench submit`: a run for the leaderboard, prepared, checked, or run again."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from kapbench.cli.options import data_root, model_options, runs_root, shown_path, typed
from kapbench.cli.run_filter import RunFilter, of_categories, of_dataset
from kapbench_leaderboard.commands.isolated_option import isolated_option
from kapbench_leaderboard.commands.print_reports import print_report, print_reports, terminal_width
from kapbench_leaderboard.commands.select_runs import one_run

if TYPE_CHECKING:
    from kapbench.progress import Progress
    from kapbench_leaderboard.submit.reports import Report

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)


def _base(command: _Command) -> _Command:
    return click.option(
        "--base",
        metavar="REVISION",
        help="A git revision whose results are accepted: they must be unchanged and are not checked"
        " again.",
    )(command)


def _records(command: _Command) -> _Command:
    return click.option(
        "--records",
        type=_PATH,
        metavar="FILE",
        help="The records of the one entry, if they do not lie beside it.",
    )(command)


@click.group()
def submit() -> None:
    """Prepare, check or reproduce submissions to the leaderboard.

    \b
    Examples:
      kapbench submit template > card.toml
      kapbench submit prepare my_model --to leaderboard/results --card card.toml
      kapbench submit check leaderboard/results
    """


@submit.command()
def template() -> None:
    """Print a submission card to fill in.

    A submission card states what a run cannot know of its model, e.g. its authors and training data.

    \b
    Examples:
      kapbench submit template > card.toml
    """
    from kapbench_leaderboard.submit.card_template import TEMPLATE

    click.echo(TEMPLATE, nl=False)


@submit.command()
@click.argument("runs", nargs=-1, required=True)
@runs_root
@of_dataset
@of_categories
@click.option(
    "--to", type=_PATH, required=True, metavar="FOLDER", help="Folder of results to write to."
)
@click.option(
    "--card",
    type=_PATH,
    required=True,
    metavar="FILE",
    help="The submission card, which describes your model; `kapbench submit template` prints one.",
)
@click.option(
    "--records-url", metavar="URL", help="Public address of records that are larger than 10 MiB."
)
@click.option("--adapter", metavar="FILE.py:Class", help="Submit the adapter of the model too.")
def prepare(
    runs: tuple[str, ...],
    runs_root: Path,
    dataset: str | None,
    categories: tuple[str, ...],
    to: Path,
    card: Path,
    records_url: str | None,
    adapter: str | None,
) -> None:
    """Write entries for the leaderboard from finished runs.

    RUNS are run folders, names of models, or labels, of which each means one run.
    Each entry is a .json with the scores, beside it records and resamples. With --adapter, the model
    is made from it once, to see that it is the run's.

    \b
    Examples:
      kapbench submit prepare my_model --to leaderboard/results --card card.toml
      kapbench submit prepare my_model --dataset spair --to leaderboard/results --card card.toml
      kapbench submit prepare RUN --to leaderboard/results --card card.toml --adapter my.py:MyModel
    """
    from kapbench.running.results import values_in_command
    from kapbench_leaderboard.entries.schema import files_of
    from kapbench_leaderboard.submit import prepare as preparation

    only = RunFilter(dataset, categories, one_dataset=True)
    for folder, run in [one_run(name, runs_root, only) for name in runs]:
        given = values_in_command(run.command, "--option", "-o") if adapter else []
        options = typed("models", adapter, given) if adapter else {}
        entry = preparation.prepare(
            folder, to, card, records_url, adapter, _progress(), options=options
        )
        for path in files_of(entry):
            click.echo(shown_path(path))
    click.echo(
        f"Next: run `kapbench submit check {shown_path(to)}`, commit the files, and open a pull"
        " request."
    )


@submit.command()
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@_base
@_records
@click.option("--fetch", is_flag=True, help="Download records that do not lie beside their entry.")
@click.option(
    "--adapter", metavar="FILE.py:Class", help="Test this adapter against its contract too."
)
def check(
    paths: tuple[Path, ...],
    base: str | None,
    records: Path | None,
    fetch: bool,
    adapter: str | None,
) -> None:
    """Check entries against their records.

    PATHS are entries (.json) or folders of results. Every score is computed again from the records,
    and the records are compared with the data set's annotations. No code of a submission runs,
    except that of --adapter.

    \b
    Examples:
      kapbench submit check leaderboard/results
      kapbench submit check leaderboard/results/spair/mine --adapter my.py:MyModel
    """
    from kapbench_leaderboard.submit import reports

    def all_reports() -> "Iterable[Report]":
        how: Literal["text", "markdown"] = "text" if sys.stdout.isatty() else "markdown"
        yield reports.check_all(
            paths,
            base,
            records,
            fetch=fetch,
            progress=_progress(),
            tables_as=how,
            width=terminal_width(),
        )
        if adapter is not None:  # last: it may be a stranger's code
            yield reports.adapter_report(adapter)

    print_reports(paths, all_reports())


@submit.command()
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@_base
def adapters(paths: tuple[Path, ...], base: str | None) -> None:
    """Test the adapters that came with entries.

    PATHS are entries (.json) or folders of results. This runs the code of the adapters: each runs
    in a separate process. Use an isolated machine without secrets.

    \b
    Examples:
      kapbench submit adapters leaderboard/results/spair/mine
    """
    from kapbench_leaderboard.submit import reports

    print_reports(paths, reports.adapter_reports(paths, base))


@submit.command()
@click.argument("entries", nargs=-1, required=True, type=_PATH)
@click.option(
    "--pairs",
    "n_pairs",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Run at least this many pairs again.",
)
@click.option("--model", metavar="SPEC", help="The model, if the entry's own is not installed.")
@model_options
@click.option("--device", default="cpu", show_default=True, help="Device to run the model on.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    help="Largest difference that agrees. Default: 0 if both ran on a CPU, else 0.001.",
)
@isolated_option
@_records
@data_root
def reproduce(
    entries: tuple[Path, ...],
    n_pairs: int,
    model: str | None,
    options: tuple[str, ...],
    device: str,
    tolerance: float | None,
    isolated: bool | None,
    records: Path | None,
    data_root: Path | None,
) -> None:
    """Run the models of entries again on some pairs.

    The rows must agree with the records of the ENTRIES (.json).

    \b
    Examples:
      kapbench submit reproduce leaderboard/results/spair/mine/RUN.json
      kapbench submit reproduce RUN.json --pairs 128 --model my.py:MyModel -o weights=my.safetensors
    """
    from kapbench_leaderboard.submit import reports, reproduce

    for path in entries:
        again = reproduce.reproduce(
            path,
            n_pairs,
            model=model,
            data_root=data_root,
            device=device,
            tolerance=tolerance,
            records=records,
            texts=options,
            typed=lambda name, texts: typed("models", name, texts),
            isolated=isolated,
            progress=_progress(),
        )
        print_report(reports.reproduction_report(again))


@submit.command()
@click.argument("runs", nargs=-1, required=True)
@runs_root
@of_dataset
@data_root
@click.option("--to", type=_PATH, required=True, metavar="FOLDER", help="Folder to write to.")
def manifest(
    runs: tuple[str, ...], runs_root: Path, dataset: str | None, data_root: Path | None, to: Path
) -> None:
    """Write the manifest of a run's data set.

    A manifest states what records on the data set must contain. A maintainer writes it once, from
    the run of a control. RUNS are run folders, names of models, or labels, of which each means one
    run.

    \b
    Examples:
      kapbench submit manifest runs/.../RUN --to leaderboard/kapbench_leaderboard/manifests
    """
    from kapbench_leaderboard.submit import dataset_digest
    from kapbench_leaderboard.submit.reproduce import image_sizes

    for folder in [
        one_run(run, runs_root, RunFilter(dataset, one_dataset=True))[0] for run in runs
    ]:
        sizes = image_sizes(folder, data_root, _progress())
        click.echo(shown_path(dataset_digest.write(folder, to, sizes)))


def _progress() -> "Progress":
    from kapbench.progress import Progress

    return Progress(show=sys.stderr.isatty(), log=lambda line: click.echo(line, err=True))
