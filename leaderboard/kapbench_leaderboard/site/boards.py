"""Entries to boards: one a data set, the largest comparable group ranked, the others apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.rules import load_rule, rule_names
from kapbench_leaderboard.comparison.groups import CONTROLS, Group, group, why_apart
from kapbench_leaderboard.comparison.resamples import Resamples, load
from kapbench_leaderboard.entries.schema import Entry, find_entries, load_entry, resamples_path
from kapbench_leaderboard.tables.build import Table, ranked, tables
from kapbench_leaderboard.tables.choices import View

VIEWS: dict[View, str] = {
    "category": "Categories",
    "symmetry": "Symmetry",
    "twin": "Twins",
    "viewpoint": "Viewpoint",
    "occlusion": "Occlusion",
    "average": "Averages",
}


@dataclass(frozen=True)
class Accepted:
    """An entry, where it lies, and its resamples."""

    entry: Entry
    path: Path
    resamples: Resamples

    @property
    def run(self) -> RunCard:
        return self.entry.run


@dataclass(frozen=True)
class Board:
    """One data set. `apart`: a table and the reason why it is not ranked with the board."""

    group: Group
    summary: Table
    views: Mapping[View, Sequence[Table]]
    apart: Sequence[tuple[Table, str]]
    by_run: Mapping[str, Accepted]  # by the run's plan

    @property
    def name(self) -> str:
        return self.group.dataset.name

    def of(self, run: RunCard) -> Accepted:
        return self.by_run[run.plan_hash]

    def leading(self, n: int) -> list[Accepted]:
        """The best competitors."""
        models = [row.card for row in self.summary.rows if not row.is_control]
        return [self.of(card) for card in models[:n]]


def accepted(results: Path) -> list[Accepted]:
    """
    Raises:
        KapbenchError: no entries there, or one that cannot be read.
    """
    found = find_entries(results)
    if not found:
        raise KapbenchError(
            "no accepted results",
            place=results,
            fix="give a folder that `kapbench submit --to` wrote to: --results FOLDER",
        )
    return [Accepted(load_entry(p), p, load(resamples_path(p))) for p in found]


def boards(found: Sequence[Accepted]) -> list[Board]:
    """One a data set, by name; of a data set's groups the one with most models is its board."""
    resamples = {a.run.provenance.records_sha256: a.resamples for a in found}
    by_name: dict[str, list[Group]] = {}
    for members in group(a.run for a in found):
        by_name.setdefault(members.dataset.name, []).append(members)
    by_run = {a.run.plan_hash: a for a in found}
    return [_board(groups, resamples, by_run) for _, groups in sorted(by_name.items())]


def _board(
    groups: Sequence[Group], resamples: Mapping[str, Resamples], by_run: Mapping[str, Accepted]
) -> Board:
    first, *others = sorted(groups, key=lambda g: -sum(_competes(c) for c in g.cards))
    ranks = ranked([first], resamples)
    views: dict[View, Sequence[Table]] = {}
    for view in VIEWS:
        made = tables([first], view, ranks=ranks)
        views[view] = [t for t in made if any(c.value is not None for r in t.rows for c in r.cells)]
    (summary,) = tables([first], ranks=ranks)
    apart = [(tables([other])[0], why_apart(first, other)) for other in others]
    return Board(first, summary, views, apart, by_run)


def _competes(card: RunCard) -> bool:
    return card.model.name not in CONTROLS


def rule_text(card: RuleCard) -> str:
    """A rule's own words, or why they cannot be shown."""
    if card.name not in rule_names() or load_rule(card.name).hash != card.hash:
        return (
            f"{card.name} with hash {card.hash} is not among the rules of this version of kapbench."
        )
    return load_rule(card.name).model_dump_json(indent=1)
