"""The rows of a table: of each run, and below them those that belong to no run."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.part_scores import IDENTITY_CHANCE, IDENTITY_SHARE
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.comparison.groups import Group, Kind
from kapbench_leaderboard.comparison.prevalence import agree
from kapbench_leaderboard.tables.choices import WITH_N, View
from kapbench_leaderboard.tables.columns import Cell, Column, columns


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `rank`: from `share_ranks`; None for controls and for models that were not tested."""

    card: RunCard
    label: str
    cells: tuple[Cell, ...]
    rank: int | None = None

    @property
    def is_control(self) -> bool:
        return is_control(self.card)


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A row that belongs to no run, with a cell for each column. `key` names it in files."""

    key: str
    label: str
    cells: tuple[Cell, ...]


def reference_rows(
    members: Group,
    view: View,
    alpha: float,
    kind: Kind | None,
    metric: str | None,
    rows: Sequence[Row],
    table_columns: Sequence[Column],
) -> tuple[ReferenceRow, ...]:
    """The prevalence below KAP, below identity by category the chance, and of some views n."""
    if view == "summary":
        return ()
    counted = _n_row(rows, len(table_columns)) if view in WITH_N else ()
    if metric != IDENTITY_SHARE:
        return (*_prevalence_row(rows, table_columns, members.rules, alpha), *counted)
    by_run = [_chance(members, view, alpha, kind, row.card) for row in rows]
    known = (cells for cells in by_run if any(cell.value is not None for cell in cells))
    chance = (ReferenceRow(IDENTITY_CHANCE, "chance", cells) for cells in islice(known, 1))
    return (*chance, *counted)


def _n_row(rows: Sequence[Row], n_columns: int) -> tuple[ReferenceRow, ...]:
    """What the scores of each column are taken over: of all rows, or of the first where they differ."""
    every = [[row.cells[i].n for row in rows if row.cells[i].n] for i in range(n_columns)]
    if not any(every):
        return ()
    same = all(len(set(each)) < 2 for each in every)
    counts = [max(each, default=0) for each in every] if same else [c.n for c in rows[0].cells]
    cells = (Cell(n, is_count=True) if n else Cell(None) for n in counts)
    return (ReferenceRow("n", "n" if same else f"n of {rows[0].label}", tuple(cells)),)


def _chance(
    members: Group, view: View, alpha: float, kind: Kind | None, card: RunCard
) -> tuple[Cell, ...]:
    made = columns(members, view, alpha, kind, IDENTITY_CHANCE)
    return tuple(column.cell(card) for column in made)


def _prevalence_row(
    rows: Sequence[Row], table_columns: Sequence[Column], rules: Sequence[RuleCard], alpha: float
) -> tuple[ReferenceRow, ...]:
    """The prevalence under each KAP: of all rows, or of the first where the models' grids differ."""
    if not any(column.prevalence for column in table_columns):
        return ()
    first = rows[0]
    names = [rule.name for rule in rules if rule.metric == "kap"]
    same = agree([row.card for row in rows], names, alpha)
    cells = (
        column.prevalence(first.card) if column.prevalence else Cell(None)
        for column in table_columns
    )
    label = "prevalence" if same else f"prevalence of {first.label}"
    return (ReferenceRow("prevalence", label, tuple(cells)),)
