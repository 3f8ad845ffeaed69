"""Entries to boards: one board for each data set, with the largest comparability group ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.rules import is_shipped, load_rule
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.comparison.groups import Group, group, why_apart
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.comparison.resamples_file import load
from kapbench_leaderboard.entries.schema import Entry, find_entries, load_entry, resamples_path
from kapbench_leaderboard.tables.build import Table, ranked, tables
from kapbench_leaderboard.tables.choices import View
from kapbench_leaderboard.tables.dataset_names import display_name

FEWEST_PAIRS = 30  # of a board that is named in the navigation
VIEWS: dict[View, str] = {
    "category": "Categories",
    "symmetry": "Symmetry",
    "twin": "Mirror counterparts",
    "concept": "Parts",
    "concept-category": "Parts by category",
    "geco": "GECO splits",
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
    """The page of one data set. `apart`: tables of other groups, and why they are not comparable."""

    group: Group
    summary: Table
    views: Mapping[View, Sequence[Table]]
    apart: Sequence[tuple[Table, str]]
    by_run: Mapping[str, Accepted]  # by the run's plan

    @property
    def name(self) -> str:
        return self.group.dataset.name

    @property
    def title(self) -> str:
        """The data set's name as its authors write it."""
        return display_name(self.name)

    @property
    def has_kap(self) -> bool:
        return self.group.rule_of("kap") is not None

    @property
    def is_sample(self) -> bool:
        """Whether it has too few pairs for models to be compared."""
        return self.group.dataset.n_pairs < FEWEST_PAIRS

    @property
    def resamples(self) -> dict[str, Resamples]:
        """By the hash of a run's records."""
        of_group = [(card, self.of(card).resamples) for card in self.group.cards]
        return {card.provenance.records_sha256: resamples for card, resamples in of_group}

    def of(self, run: RunCard) -> Accepted:
        return self.by_run[run.plan_hash]

    def leading(self, n: int) -> list[Accepted]:
        """The best entries, without controls."""
        models = [row.card for row in self.summary.rows if not row.is_control]
        return [self.of(card) for card in models[:n]]


def accepted(results: Path) -> list[Accepted]:
    """Raises KapbenchError: there are no entries, or one cannot be read."""
    paths = find_entries(results)
    if not paths:
        raise KapbenchError(
            "There are no accepted results",
            place=results,
            fix="Give --results FOLDER, a folder that `kapbench submit prepare --to` wrote to",
        )
    return [Accepted(load_entry(p), p, load(resamples_path(p))) for p in paths]


def boards(entries: Sequence[Accepted]) -> list[Board]:
    """One for each data set; the group with the most models is ranked.

    Boards with KAP come first, then those with most pairs, then by name.
    """
    resamples = {a.run.provenance.records_sha256: a.resamples for a in entries}
    by_name: dict[str, list[Group]] = {}
    for members in group(a.run for a in entries):
        by_name.setdefault(members.dataset.name, []).append(members)
    by_run = {a.run.plan_hash: a for a in entries}
    made = [_board(groups, resamples, by_run) for groups in by_name.values()]
    return sorted(made, key=lambda b: (not b.has_kap, -b.group.dataset.n_pairs, b.name))


def _board(
    groups: Sequence[Group], resamples: Mapping[str, Resamples], by_run: Mapping[str, Accepted]
) -> Board:
    first, *others = sorted(groups, key=lambda g: -sum(_competes(c) for c in g.cards))
    ranks = ranked([first], resamples)
    views: dict[View, Sequence[Table]] = {}
    for view in VIEWS:
        made = tables([first], view, ranks=ranks)
        views[view] = [table for table in made if _has_scores(table)]
    (summary,) = tables([first], ranks=ranks)
    apart = [(tables([other])[0], why_apart(first, other)) for other in others]
    return Board(first, summary, views, apart, by_run)


def _has_scores(table: Table) -> bool:
    """Whether some run has a score; of parts, one that is not its PCK."""
    first = 1 if table.view == "concept" else 0
    return any(cell.value is not None for row in table.rows for cell in row.cells[first:])


def _competes(card: RunCard) -> bool:
    return not is_control(card)


def rule_text(card: RuleCard) -> str:
    """The text of a rule, or why it cannot be shown."""
    if not is_shipped(card.name) or load_rule(card.name).hash != card.hash:
        return f"This version of kapbench has no rule {card.name} with hash {card.hash}."
    return load_rule(card.name).model_dump_json(indent=1)
