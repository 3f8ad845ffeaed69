"""Options that the subcommands of `kapbench show` share, as one value."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from kapbench.cli.options import FOLDER, runs_root, shown_path
from kapbench.cli.run_filter import RunFilter, of_dataset
from kapbench_leaderboard.commands.loading_options import (
    LOADING,
    MACHINE,
    added,
    dataset_option,
    model_option,
    options_of,
)
from kapbench_leaderboard.commands.output_option import output_option
from kapbench_leaderboard.commands.select_runs import named_runs, one_run, random_runs
from kapbench_leaderboard.figures.presentation import PRESENTATION_NAMES, PresentationName
from kapbench_leaderboard.figures.sources import Format, Output, Sources

if TYPE_CHECKING:
    from kapbench.running.results import RunCard
    from kapbench_leaderboard.figures.run_view import RunView

_Command = TypeVar("_Command", bound=Callable[..., Any])
_LOOK = (
    click.option(
        "--style",
        "presentation",
        type=click.Choice(PRESENTATION_NAMES),
        default="paper",
        show_default=True,
        help="Size of figures, text, lines and marks: text of 7 pt in a column of 3.3 in, 14 pt in "
        "5.8 in, or 28 pt in 11.6 in.",
    ),
    click.option(
        "--title/--no-title",
        "titled",
        default=True,
        show_default=True,
        help="Write the model, data set, rule and α above the figure.",
    ),
)
_FILES = (
    output_option("folder", FOLDER, "Write the files to this folder.", default="pictures"),
    click.option(
        "--format",
        "how",
        type=click.Choice(["png", "svg", "pdf"]),
        default="png",
        show_default=True,
        help="File format of the figures.",
    ),
    *_LOOK,
)
_SCORES = (
    runs_root,
    of_dataset,
    click.option(
        "--rule",
        "rules",
        multiple=True,
        metavar="NAME",
        help="Use this rule for KAP or for PCK, by its name or file. Repeat it for more.",
    ),
    click.option(
        "--alpha",
        type=click.FloatRange(0, 1, min_open=True),
        help="Use this threshold, a share of the object's size. Default: the rule's first.",
    ),
)


@dataclass(frozen=True)
class FigureOptions:
    """Which scores of which runs are drawn, from what, and into which files."""

    sources: Sources
    output: Output
    runs_root: Path
    rules: tuple[str, ...] = ()
    alpha: float | None = None
    dataset: str | None = None  # of the runs that are meant

    def load_runs(
        self, names: Sequence[str], categories: tuple[str, ...] = ()
    ) -> "tuple[list[RunView], list[RunCard]]":
        """Runs of these names, and runs of the control `random` that may stand beside them.

        Raises:
            KapbenchError: a name without a finished run, or a run without these scores.
        """
        only = RunFilter(self.dataset, categories, one_dataset=True)
        named = named_runs(names, self.runs_root, only=only)
        return [self._view(folder) for folder in named], random_runs(named, self.runs_root)

    def load_run(self, name: str, categories: tuple[str, ...] = ()) -> "RunView":
        """Raises KapbenchError: as `load_runs`, or several runs of this name."""
        only = RunFilter(self.dataset, categories, one_dataset=True)
        folder, _ = one_run(name, self.runs_root, only)
        return self._view(folder)

    def load_one_each(
        self, names: Sequence[str], categories: tuple[str, ...] = ()
    ) -> "list[RunView]":
        """One run of each name. Raises KapbenchError: as `load_run`."""
        return [self.load_run(name, categories) for name in names]

    def _view(self, folder: Path) -> "RunView":
        from kapbench_leaderboard.figures.run_view import RunView

        return RunView.load(folder, rules=self.rules, alpha=self.alpha)


def figure_options(command: _Command) -> _Command:
    """The command receives its shared options as `options` and returns the paths that it wrote."""

    @functools.wraps(command)
    def with_options(
        folder: Path,
        how: Format,
        presentation: PresentationName,
        titled: bool,
        runs_root: Path,
        rules: tuple[str, ...],
        alpha: float | None,
        dataset: str | None,
        load_dataset: str | None,
        dataset_options: tuple[str, ...],
        load_model: str | None,
        model_options: tuple[str, ...],
        data_root: Path | None,
        cache: Path | None,
        device: str,
        **own: Any,
    ) -> None:
        sources = Sources(
            load_dataset,
            load_model,
            data_root,
            cache,
            device,
            options_of("datasets", load_dataset, dataset_options),
            options_of("models", load_model, model_options),
        )
        output = Output(folder, how, presentation, titled)
        options = FigureOptions(sources, output, runs_root, rules, alpha, dataset)
        print_paths(command(options=options, **own))

    return cast("_Command", added(with_options, *_SCORES, *_FILES, *LOADING, *MACHINE))


def feature_options(command: _Command) -> _Command:
    """Options of a figure that is drawn from models and a data set, and needs no run."""
    return added(command, model_option, dataset_option, *_FILES, *MACHINE)


def look_options(command: _Command) -> _Command:
    """--style and --no-title."""
    return added(command, *_LOOK)


def print_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        click.echo(shown_path(path))
