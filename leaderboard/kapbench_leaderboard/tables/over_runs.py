"""Tables whose rows are means over runs that differ in their seed."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kapbench_leaderboard.comparison.groups import Group
from kapbench_leaderboard.comparison.repeated_runs import RepeatedRuns, repeated_runs
from kapbench_leaderboard.tables import build
from kapbench_leaderboard.tables.choices import View
from kapbench_leaderboard.tables.columns import Cell, Column
from kapbench_leaderboard.tables.notes_on_images import NO_INTERVALS
from kapbench_leaderboard.tables.rows import Row

N_RUNS = "n_runs"
ABOUT_RUNS = (
    "runs: the number of runs of one model with one label. A row of several shows their mean ± the "
    "standard deviation over the runs (n − 1 in its denominator). The deviation says how much runs "
    "differ; it is not a confidence interval over images. A run without a label is a row alone."
)


def tables_over_runs(
    groups: Sequence[Group], view: View = "summary", alpha: float = 0.10
) -> list[build.Table]:
    """As `build.tables`, with one row for the runs of a model that share a label.

    Raises:
        KapbenchError: as `repeated_runs`.
    """
    by_group = repeated_runs(groups)
    of_means = [
        replace(members, cards=tuple(each.mean for each in repeated))
        for members, repeated in zip(groups, by_group, strict=True)
    ]
    runs_of = {id(each.mean): each for repeated in by_group for each in repeated}
    return [_with_deviations(table, runs_of) for table in build.tables(of_means, view, alpha)]


def _with_deviations(table: build.Table, runs_of: dict[int, RepeatedRuns]) -> build.Table:
    rows = [
        replace(row, cells=(_count(runs_of[id(row.card)]), *_cells(table, row, runs_of)))
        for row in table.rows
    ]
    n_runs = Column(N_RUNS, ("runs",), lambda card: _count(runs_of[id(card)]), ranks=False)
    kept = [note for note in table.notes if not note.startswith(NO_INTERVALS)]
    references = [replace(each, cells=(Cell(None), *each.cells)) for each in table.references]
    return replace(
        table,
        columns=(n_runs, *table.columns),
        rows=tuple(rows),
        notes=(ABOUT_RUNS, *kept),
        references=tuple(references),
        ranked_by=None,
        ranking=None,
    )


def _count(repeated: RepeatedRuns) -> Cell:
    return Cell(len(repeated.runs), is_count=True)


def _cells(table: build.Table, row: Row, runs_of: dict[int, RepeatedRuns]) -> list[Cell]:
    runs = runs_of[id(row.card)].runs
    if len(runs) == 1:
        return [replace(cell, low=None, high=None) for cell in row.cells]
    return [
        _cell(column, cell, [column.cell(run) for run in runs])
        for column, cell in zip(table.columns, row.cells, strict=True)
    ]


def _cell(column: Column, mean: Cell, of_runs: Sequence[Cell]) -> Cell:
    values = [cell.value for cell in of_runs if cell.value is not None]
    if len(values) == len(of_runs):
        return replace(mean, sd=float(np.std(values, ddof=1)) if column.ranks else None)
    if values:
        reason = f"Only {len(values)} of {len(of_runs)} runs have a score here."
        return Cell(None, reason=reason)
    return Cell(None, reason=of_runs[0].reason)
