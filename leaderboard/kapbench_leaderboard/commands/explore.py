"""`kapbench explore`: a page in which a reader points at a point and sees where a model finds it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.cli.options import runs_root, shown_path
from kapbench.cli.run_filter import RunFilter, of_dataset
from kapbench.errors import KapbenchError, counted
from kapbench_leaderboard.commands.chosen_weights import advice_for_model_option, weights_for_option
from kapbench_leaderboard.commands.loading_options import (
    loading_options,
    machine_options,
    options_of,
)
from kapbench_leaderboard.commands.output_option import output_option
from kapbench_leaderboard.commands.select_runs import named_runs
from kapbench_leaderboard.figures.sources import Sources

if TYPE_CHECKING:
    from kapbench.progress import Progress
    from kapbench_leaderboard.explore.content import Content
    from kapbench_leaderboard.explore.select_pairs import Selection
    from kapbench_leaderboard.explore.write_page import ExploreSummary

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN... | IMAGE IMAGE...")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="SPEC",
    help="Compare image files with this model, and no run. Repeat it for models side by side.",
)
@click.option(
    "--pairs",
    "n_pairs",
    type=click.IntRange(1, 40),
    default=6,
    show_default=True,
    help="Show at most so many pairs of the RUN.",
)
@click.option("--worst", is_flag=True, help="Show the worst pairs of the first RUN.")
@click.option("--category", metavar="NAME", help="Show pairs of this category only.")
@click.option("--pair", "pair_ids", multiple=True, metavar="ID", help="Show this pair. Repeat it.")
@click.option(
    "--photographs",
    is_flag=True,
    help="Put the data set's photographs into the page, with a note of their licence.",
)
@output_option("path", _FILE, "Write the page to this file.", default="explore.html")
@runs_root
@of_dataset
@loading_options
@weights_for_option
@machine_options
def explore(
    names: tuple[str, ...],
    models: tuple[str, ...],
    n_pairs: int,
    worst: bool,
    category: str | None,
    pair_ids: tuple[str, ...],
    photographs: bool,
    path: Path,
    runs_root: Path,
    dataset: str | None,
    load_dataset: str | None,
    dataset_options: tuple[str, ...],
    load_model: str | None,
    model_options: tuple[str, ...],
    weights_for: str,
    data_root: Path | None,
    cache: Path | None,
    device: str,
) -> None:
    """Write a page in which a click on a point shows where a model finds it.

    The page is one HTML file that opens from disk, without a server or a network. It holds pairs of
    a RUN with their annotation, or image files of your own. A RUN is a run folder, a folder that
    holds runs, the name of a model, or a label; several on one data set stand side by side. The
    page states how close its similarities are to those of the full features.

    \b
    Examples:
      kapbench explore lite0 --worst -o worst.html
      kapbench explore lite0 sphere.lite0 --dataset synthetic --category car
      kapbench explore --model lite0 A.jpg B.jpg C.jpg
      kapbench explore --model lite0 --model sphere A.jpg B.jpg
    """
    from kapbench.progress import Progress
    from kapbench_leaderboard.explore.select_pairs import Selection
    from kapbench_leaderboard.explore.write_page import write_page

    _refuse_mixture(models, (worst, category, pair_ids, load_model, load_dataset, dataset))
    sources = Sources(
        load_dataset,
        load_model,
        data_root,
        cache,
        device,
        options_of("datasets", load_dataset, dataset_options),
        options_of("models", models[0] if models else load_model, model_options),
    )
    progress = Progress(show=sys.stderr.isatty(), log=lambda text: click.echo(text, err=True))
    with advice_for_model_option():
        if models:
            content = _of_files(names, models, weights_for, sources, progress)
        else:
            content = _of_runs(
                names,
                RunFilter(dataset, one_dataset=True),
                runs_root,
                Selection(n_pairs, worst, category, pair_ids),
                sources,
                photographs,
                progress,
            )
    _print_summary(write_page(content, path))


def _of_files(
    names: tuple[str, ...],
    models: tuple[str, ...],
    weights_for: str,
    sources: Sources,
    progress: "Progress",
) -> "Content":
    from kapbench_leaderboard.explore.gather import from_photographs

    paths = [Path(name) for name in names]
    return from_photographs(paths, models, sources, progress, weights_for=weights_for)


def _of_runs(
    names: tuple[str, ...],
    only: RunFilter,
    root: Path,
    selection: "Selection",
    sources: Sources,
    photographs: bool,
    progress: "Progress",
) -> "Content":
    from kapbench_leaderboard.explore.gather import from_runs
    from kapbench_leaderboard.figures.run_view import RunView

    _refuse_image_files(names)
    runs = [RunView.load(folder) for folder in named_runs(names, root, only=only)]
    return from_runs(runs, selection, sources, photographs=photographs, progress=progress)


def _print_summary(summary: "ExploreSummary") -> None:
    """The file, and on stderr its size and how faithful it is."""
    click.echo(shown_path(summary.path))
    pairs = f" of {counted(summary.n_pairs, 'pair')}" if summary.n_pairs else ""
    images = counted(summary.n_images, "image")
    click.echo(f"{images}{pairs}, {summary.n_bytes / 1e6:.1f} MB.", err=True)
    for name, fidelity in summary.fidelity.items():
        click.echo(f"{name}: {fidelity.sentence()}", err=True)


def _refuse_mixture(models: tuple[str, ...], of_runs: tuple[object, ...]) -> None:
    if models and any(of_runs):
        raise click.UsageError(
            "--model compares image files, which have no run, pairs or categories: leave out "
            "--worst, --category, --pair, --dataset and --load-..., or leave out --model."
        )


def _refuse_image_files(names: tuple[str, ...]) -> None:
    for name in names:
        if Path(name).is_file() and Path(name).suffix != ".json":
            raise KapbenchError(
                "This is a file, and a page of runs needs a run folder or the name of a model",
                place=name,
                fix="To compare image files, name the model with --model, e.g. --model lite0",
            )
