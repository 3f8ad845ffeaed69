"""`kapbench compare`: the table of any finished runs."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.cli.options import output_format, runs_root, shown_path
from kapbench.cli.run_filter import RunFilter, of_categories, of_dataset
from kapbench.errors import KapbenchError
from kapbench_leaderboard.commands.output_option import output_option
from kapbench_leaderboard.commands.select_runs import named_runs, random_runs
from kapbench_leaderboard.tables.choices import FORMATS, VIEWS, Format, View

if TYPE_CHECKING:
    from kapbench.running.results import RunCard
    from kapbench_leaderboard.comparison.resamples import Resamples

NARROWEST = 80


@click.command()
@click.argument("runs", nargs=-1)
@runs_root
@of_dataset
@of_categories
@click.option(
    "--by",
    type=click.Choice(VIEWS),
    help="Show a table by category, symmetry, … instead of the summary.",
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
    help="Add ranks, and the models' paired differences with confidence intervals and p-values.",
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
      kapbench compare my_model leaderboard/results/spair
      kapbench compare --by symmetry --format latex -o table.tex
      kapbench compare --format csv -o scores.csv
    """
    from kapbench_leaderboard.entries.as_runs import entry_runs

    selected = named_runs(runs, runs_root, entry_runs, RunFilter(dataset, categories))
    cards = list(selected.values())
    rule_names = _rule_names(rules, cards)
    _check_alpha(alpha, cards)
    on_screen = how == "text" and output is None
    with _progress(len(selected) if paired else 0) as advance:
        text = comparison_text(
            selected,
            rules=rule_names or None,
            by=by,
            alpha=alpha,
            how=how,
            paired=paired,
            width=max(NARROWEST, shutil.get_terminal_size().columns) if on_screen else NARROWEST,
            colour=on_screen and sys.stdout.isatty(),
            advance=advance,
            controls=random_runs(selected, runs_root) if runs else (),
        )
    if output is None:
        click.echo(text, nl=False)
    else:
        from kapbench.storage import write_atomically

        write_atomically(output, text.encode())
        click.echo(shown_path(output))


def comparison_text(
    runs: "Mapping[Path, RunCard]",
    *,
    rules: Sequence[str] | None = None,
    by: View | None = None,
    alpha: float = 0.10,
    how: Format = "text",
    paired: bool = False,
    width: int = 80,
    colour: bool = False,
    advance: Callable[[int], None] | None = None,
    controls: "Sequence[RunCard]" = (),
) -> str:
    """Tables of finished runs, one for each comparability group.

    Args:
        runs: By run folder, or by the path of an entry.
        rules: Names of the rules to show; None: one for KAP and one for PCK.
        by: None: the headline scores, or a column for each rule where several of a kind are named.
        paired: Add ranks and paired differences; this reads the records of the runs.
        advance: Called after each run that was resampled.
        controls: Other runs of the control `random`, whose scores stand beside the runs.
    """
    from kapbench_leaderboard.comparison.groups import group, without_rules
    from kapbench_leaderboard.tables import build
    from kapbench_leaderboard.tables.differences import paired_tables
    from kapbench_leaderboard.tables.render import render

    cards = list(runs.values())
    if by == "rule" and rules is None:
        rules = list(dict.fromkeys(rule.name for card in cards for rule in card.rules))
    view: View = by or ("rule" if _several_of_a_kind(rules or (), cards) else "summary")
    groups = group(cards, rules, controls)
    resamples = _resamples(runs, rules, alpha, advance) if paired else {}
    tables = build.tables(groups, view, alpha, build.ranked(groups, resamples))
    if paired:
        tables += [t for members in groups for t in paired_tables(members, resamples, alpha)]
    text = render(tables, how, width=width, colour=colour)
    left_out = without_rules(cards, rules or ())
    if rules and left_out and how == "text":
        places = [shown_path(path) for path, card in runs.items() if card in left_out]
        heading = f"Not scored by {' or '.join(rules)} and therefore left out:"
        text += "\n".join(["", heading, *(f"  {place}" for place in places), ""])
    return text


def _several_of_a_kind(rules: Sequence[str], cards: "Sequence[RunCard]") -> bool:
    """Whether rules share a metric: a table of splits has room for one rule of KAP and one of PCK."""
    metrics = [rule.metric for card in cards for rule in card.rules if rule.name in rules]
    return len(dict.fromkeys(rules)) > len(set(metrics))


def _resamples(
    runs: "Mapping[Path, RunCard]",
    rules: Sequence[str] | None,
    alpha: float,
    advance: Callable[[int], None] | None,
) -> "dict[str, Resamples]":
    """By the hash of a run's records, for the runs that have one of the rules."""
    from kapbench.running.results import open_records
    from kapbench_leaderboard.comparison.groups import selected_rules
    from kapbench_leaderboard.comparison.resamples import make
    from kapbench_leaderboard.entries.as_runs import entry_resamples

    resamples = {}
    for place, card in runs.items():
        if selected_rules(card, rules):
            resamples[card.provenance.records_sha256] = (
                entry_resamples(place, rules, alpha)
                if place.suffix == ".json"
                else make(open_records(place), card, rules, alpha)
            )
        if advance is not None:
            advance(1)
    return resamples


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


def _rule_names(rules: Sequence[str], cards: "Sequence[RunCard]") -> list[str]:
    """Names among the runs' rules; a rule file is known by the name inside it."""
    from kapbench.errors import unknown
    from kapbench.scoring.rules import load_rule

    known = {rule.name for card in cards for rule in card.rules}
    names = [load_rule(rule).name if rule.endswith(".json") else rule for rule in rules]
    for name in names:
        if name not in known:
            raise unknown("rule", name, known, place="the rules of these runs")
    return names


def _check_alpha(alpha: float, cards: "Sequence[RunCard]") -> None:
    known = sorted({row.alpha for card in cards for row in card.scores}, reverse=True)
    if alpha not in known:
        raise KapbenchError(
            f"None of these runs was scored at alpha {alpha:g}",
            fix=f"Choose --alpha from {', '.join(f'{a:g}' for a in known)}",
        )
