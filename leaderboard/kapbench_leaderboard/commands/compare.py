"""`kapbench compare`: the table of any finished runs."""

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.cli.options import output_format, runs_root
from kapbench.cli.report_hook import FORMATS, VIEWS, board, plugin
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.running.results import RunCard

NARROWEST = 80


@click.command()
@click.argument("runs", nargs=-1)
@runs_root
@click.option("--by", type=click.Choice(VIEWS), help="Other columns than the summary's.")
@click.option("--rule", "rules", multiple=True, help="Show these rules; may be repeated.")
@click.option(
    "--alpha", type=click.FloatRange(0, 1, min_open=True), default=0.10, show_default=True
)
@click.option("--paired", is_flag=True, help="Add ranks, paired differences and p-values.")
@output_format(*FORMATS)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file."
)
def compare(
    runs: tuple[str, ...],
    runs_root: Path,
    by: str | None,
    rules: tuple[str, ...],
    alpha: float,
    paired: bool,
    how: str,
    output: Path | None,
) -> None:
    """Table of any RUNS: run folders, folders of runs, names of models, or leaderboard entries.

    Default: all runs. They stand in one table only if they saw the same pairs and were scored by the
    same rules.

    \b
    Examples:
      kapbench compare
      kapbench compare sphere.lite0 lite0 --by category
      kapbench compare runs/spair.test@1a2b --rule kap-v1 --rule pck-v1
      kapbench compare sphere.lite0 lite0 --paired
      kapbench compare my_model leaderboard/results/spair
      kapbench compare --by symmetry --format latex -o table.tex
      kapbench compare --format csv -o scores.csv
    """
    found = named_runs(runs, runs_root, _entries)
    cards = list(found.values())
    chosen = _rule_names(rules, cards)
    _check_alpha(alpha, cards)
    on_screen = how == "text" and output is None
    with _progress(len(found) if paired else 0) as advance:
        text = board()(
            found,
            rules=chosen or None,
            by=by,
            alpha=alpha,
            how=how,
            paired=paired,
            width=max(NARROWEST, shutil.get_terminal_size().columns) if on_screen else NARROWEST,
            colour=on_screen and sys.stdout.isatty(),
            advance=advance,
        )
    if output is None:
        click.echo(text, nl=False)
    else:
        from kapbench.storage import write_atomically

        write_atomically(output, text.encode())


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


def _entries(place: Path) -> "dict[Path, RunCard]":
    found: dict[Path, RunCard] = plugin("submit").entry_runs(place)
    return found


def named_runs(
    names: Sequence[str],
    root: Path,
    entries: "Callable[[Path], dict[Path, RunCard]] | None" = None,
) -> "dict[Path, RunCard]":
    """Finished runs by folder: run folders, folders of runs, or names of models; none: all.

    Args:
        entries: Reads a file, or a folder that holds no run: results of a leaderboard.
    """
    from kapbench.running.results import find_runs, load_card

    below: dict[Path, RunCard] = {}
    for folder in find_runs(root):
        try:
            below[folder.resolve()] = load_card(folder)
        except KapbenchError as error:  # one damaged card must not hide the others
            click.echo(f"left out: {error}", err=True)
    if not names:
        if not below:
            raise KapbenchError(
                "no finished runs",
                place=root,
                fix="`kapbench run` makes one; --runs looks elsewhere",
            )
        return below
    found: dict[Path, RunCard] = {}
    for name in names:
        some = {folder: c for folder, c in below.items() if c.model.name == name}
        some = some or {f.resolve(): load_card(f) for f in find_runs(Path(name))}
        if not some and entries is not None and Path(name).exists():
            some = entries(Path(name))
        if not some:
            raise _no_run(name, [c.model.name for c in below.values()], root)
        found |= some
    return found


def _no_run(name: str, models: Sequence[str], root: Path) -> KapbenchError:
    from kapbench.registry import unknown

    if Path(name).is_dir():
        return KapbenchError(
            "no finished run below", place=name, fix="an interrupted run is resumed by its command"
        )
    return unknown("run", name, set(models), place=root)


def _rule_names(rules: Sequence[str], cards: "Sequence[RunCard]") -> list[str]:
    """Names among the runs' rules; a rule file is known by the name inside it."""
    from kapbench.registry import unknown
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
            f"no run was scored at alpha {alpha:g}",
            fix=f"choose one of {', '.join(f'{a:g}' for a in known)}",
        )
