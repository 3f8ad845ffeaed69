"""`kapbench compare`: the table of any finished runs."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.cli.once import add_once
from kapbench.cli.options import output_format, runs_root
from kapbench.cli.run_filter import RunFilter, of_categories, of_dataset
from kapbench.errors import KapbenchError
from kapbench_leaderboard.commands.comparison_text import check_alpha, comparison_text, rule_names
from kapbench_leaderboard.commands.output_option import output_option, print_or_write
from kapbench_leaderboard.commands.select_runs import named_runs, random_runs
from kapbench_leaderboard.tables.choices import (
    FORMATS,
    GROUP_BY,
    VIEWS,
    Format,
    GroupBy,
    Style,
    View,
)

if TYPE_CHECKING:
    from kapbench.running.results import RunCard

NARROWEST = 80


def _names(_ctx: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    names: dict[str, str] = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not equals or not old or not new:
            raise click.BadParameter(f"'{text}' has no new name. Write OLD=NEW.")
        add_once(names, old, new, option="--name", place="--name")
    return names


@click.command()
@click.argument("runs", nargs=-1)
@runs_root
@of_dataset
@of_categories
@click.option(
    "--by",
    type=click.Choice(VIEWS),
    help="Show this in columns, as the list above says, instead of the summary.",
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="NAME",
    help="Show the scores of this rule. Repeat it for more.  [default: one rule each for KAP and PCK]",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.10,
    show_default=True,
    help="Show the scores at this threshold, a share of the object's size.",
)
@click.option(
    "--paired",
    is_flag=True,
    help="Add ranks, and the models' paired differences with confidence intervals and p-values. "
    "With --by concept, the differences are those of the scores of parts.",
)
@click.option(
    "--baseline",
    metavar="MODEL",
    help="With --paired, compare all others with this run, named like RUNS.  [default: the best]",
)
@click.option(
    "--group-by",
    type=click.Choice(GROUP_BY),
    help="Show runs of one model and label, e.g. of several seeds, as one row: mean ± standard "
    "deviation over the runs.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="OLD=NEW",
    callback=_names,
    help="Call a model or a label NEW in the table. Repeat it for more.",
)
@click.option(
    "--intervals/--no-intervals",
    default=None,
    help="Show 95 % confidence intervals.  [default: in text where they fit; in LaTeX only of "
    "differences; in other formats always]",
)
@click.option("--no-notes", is_flag=True, help="Leave out the notes below the table.")
@click.option(
    "--label", metavar="LABEL", help="Give the table this \\label in LaTeX, e.g. tab:kap."
)
@output_format(*FORMATS)
@output_option(
    "output", click.Path(path_type=Path, dir_okay=False), "Write the table to this file."
)
def compare(
    runs: tuple[str, ...],
    runs_root: Path,
    dataset: str | None,
    categories: tuple[str, ...],
    by: View | None,
    rules: tuple[str, ...],
    alpha: float,
    paired: bool,
    baseline: str | None,
    group_by: GroupBy | None,
    names: dict[str, str],
    intervals: bool | None,
    no_notes: bool,
    label: str | None,
    how: Format,
    output: Path | None,
) -> None:
    """Print tables of finished runs.

    RUNS are run folders, folders that hold runs, names of models, labels, or entries of a
    leaderboard. By default all runs are shown. Runs share a table if they saw the same pairs and
    were scored by the same rules.

    \b
    Examples:
      kapbench compare
      kapbench compare sphere.lite0 lite0 --by category
      kapbench compare --dataset spair
      kapbench compare runs/spair.test@1a2b --rule kap-v1 --rule pck-v1
      kapbench compare sphere.lite0 lite0 --paired
      kapbench compare dift sphere.lite0 lite0 --paired --baseline lite0
      kapbench compare sphere.lite0 lite0 --by concept --paired
      kapbench compare my_model leaderboard/results/spair
      kapbench compare --group-by label
      kapbench compare --format csv -o scores.csv

    \b
    For a paper, KAP and PCK by category in one table:
      kapbench compare lite0 sphere.lite0 --by category --format latex --label tab:spair \\
        --name sphere.lite0="Sphere (ours)" --no-notes -o table.tex

    \b
    What --by shows in columns:
      category          each category
      symmetry          keypoints with a mirror counterpart or repeated part, and
                        the others; predictions at the counterpart (confusion)
      twin              KAP of keypoints absent while their mirror counterpart
                        is visible; PCK where no other keypoint may be nearer
      concept           PCK of any member of the right part, wrong members, and
                        which member is the most similar (identity)
      concept-category  the same for each category
      geco              whether the target shows the keypoint (first digit) and
                        its mirror counterpart (second); confusion
      viewpoint         pairs by the difference of their viewpoints
      occlusion         pairs with and without truncation, and occlusion
      average           the scores under each way to average them
      rule              each rule
    """
    from kapbench_leaderboard.entries.as_runs import entry_runs

    _refuse_together(how, paired=paired, baseline=baseline, group_by=group_by, label=label)
    only = RunFilter(dataset, categories)
    selected = named_runs(runs, runs_root, entry_runs, only)
    references: dict[Path, RunCard] = {}
    if baseline is not None:  # also entries are called by their model's name once they are selected
        references = {f: c for f, c in selected.items() if baseline in (c.model.name, c.label)}
        references = references or named_runs([baseline], runs_root, entry_runs, only)
    _refuse_annotation(references)
    selected |= references
    cards = list(selected.values())
    chosen_rules = rule_names(rules, cards)
    check_alpha(alpha, cards)
    on_screen = how == "text" and output is None
    with _progress(len(selected) if paired or how == "latex" else 0) as advance:
        text = comparison_text(
            selected,
            rules=chosen_rules or None,
            by=by,
            alpha=alpha,
            how=how,
            paired=paired,
            baseline=references,
            width=max(NARROWEST, shutil.get_terminal_size().columns) if on_screen else NARROWEST,
            colour=on_screen and sys.stdout.isatty(),
            advance=advance,
            controls=random_runs(selected, runs_root) if runs else (),
            names=names,
            group_by=group_by,
            style=Style(label, intervals, not no_notes),
        )
    print_or_write(text, output)


def _refuse_together(
    how: Format, *, paired: bool, baseline: str | None, group_by: GroupBy | None, label: str | None
) -> None:
    if baseline is not None and not paired:
        raise click.UsageError("--baseline is that of paired differences. Add --paired.")
    if paired and group_by is not None:
        raise click.UsageError(
            "--paired compares single runs, and --group-by averages over runs. Leave one of them out."
        )
    if label is not None and how != "latex":
        raise click.UsageError(
            "--label is the label of a table in LaTeX. Add --format latex; to choose runs by their "
            "label, write it without an option: kapbench compare LABEL."
        )


def _refuse_annotation(references: "Mapping[Path, RunCard]") -> None:
    from kapbench.running.results import reads_annotation

    for card in references.values():
        if reads_annotation(card.model):
            raise KapbenchError(
                f"'{card.model.name}' reads the annotation, and no model is compared with the answer",
                place="--baseline",
                fix="Name another model",
            )


@contextmanager
def _progress(n_runs: int) -> Iterator[Callable[[int], None] | None]:
    """A bar over runs on stderr, where there is something to wait for."""
    if not n_runs:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("resampling images", total=n_runs)
        yield lambda n: bar.advance(task, n)
