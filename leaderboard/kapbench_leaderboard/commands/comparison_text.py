"""The plug-in behind `kapbench compare`: finished runs to one text."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from kapbench.running.results import RunCard, open_records
from kapbench_leaderboard.comparison.groups import group, shown_rules, without_rules
from kapbench_leaderboard.comparison.resamples import Resamples, make
from kapbench_leaderboard.entries.as_runs import entry_resamples
from kapbench_leaderboard.tables import build
from kapbench_leaderboard.tables.columns import View
from kapbench_leaderboard.tables.differences import paired_tables
from kapbench_leaderboard.tables.render import Format, render


def tables(
    runs: Mapping[Path, RunCard],
    *,
    rules: Sequence[str] | None = None,
    by: str | None = None,
    alpha: float = 0.10,
    how: str = "text",
    paired: bool = False,
    width: int = 80,
    colour: bool = False,
    advance: Callable[[int], None] | None = None,
) -> str:
    """Tables of the runs, one a comparable group; see kapbench.cli.report_hook.Board."""
    cards = list(runs.values())
    if by == "rule" and rules is None:
        rules = list(dict.fromkeys(rule.name for card in cards for rule in card.rules))
    view = cast("View", by or ("rule" if _several_of_a_kind(rules or (), cards) else "summary"))
    groups = group(cards, rules)
    resamples = _resamples(runs, rules, alpha, advance) if paired else {}
    drawn = build.tables(groups, view, alpha, build.ranked(groups, resamples))
    if paired:
        drawn += [table for members in groups for table in paired_tables(members, resamples, alpha)]
    out = render(drawn, cast("Format", how), width=width, colour=colour)
    left_out = without_rules(cards, rules or ())
    if rules and left_out and how == "text":
        names = ", ".join(dict.fromkeys(card.model.name for card in left_out))
        out += f"\nleft out, not scored by {' or '.join(rules)}: {names}\n"
    return out


def _several_of_a_kind(rules: Sequence[str], cards: Sequence[RunCard]) -> bool:
    """A table of splits has room for one rule of KAP and one of PCK."""
    kinds = [rule.metric for card in cards for rule in card.rules if rule.name in rules]
    return len(dict.fromkeys(rules)) > len(set(kinds))


def _resamples(
    runs: Mapping[Path, RunCard],
    rules: Sequence[str] | None,
    alpha: float,
    advance: Callable[[int], None] | None,
) -> dict[str, Resamples]:
    """By the hash of a run's records: of the questions that the tables show."""
    found = {}
    for place, card in runs.items():
        if shown_rules(card, rules):
            found[card.provenance.records_sha256] = _made(place, card, rules, alpha)
        if advance is not None:
            advance(1)
    return found


def _made(place: Path, card: RunCard, rules: Sequence[str] | None, alpha: float) -> Resamples:
    if place.suffix == ".json":
        return entry_resamples(place, rules, alpha)
    return make(open_records(place), card, rules, alpha)
