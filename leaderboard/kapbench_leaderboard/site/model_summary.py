"""The table at the top of a model's page: its ranks and scores, a row for each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kapbench.running.results import RunCard
from kapbench_leaderboard.site.boards import Board
from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.columns import Cell
from kapbench_leaderboard.tables.format_cells import heading
from kapbench_leaderboard.tables.rows import Row


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """Of one run. `title`: of the data set. `cells`: by heading; a data set without KAP lacks some.

    `n_models`: that are ranked with it; None: it stands apart from the board's table.
    """

    run: RunCard
    title: str
    rank: int | None
    n_models: int | None
    cells: Mapping[str, Cell]


def summary(boards: Sequence[Board], runs: Sequence[RunCard]) -> list[SummaryRow]:
    """In the order of the runs."""
    return [_row(boards, run) for run in runs]


def headings(rows: Sequence[SummaryRow]) -> list[str]:
    """The columns of all rows: those of the row with most, then what others have beyond."""
    ordered = sorted(rows, key=lambda row: -len(row.cells))
    return [*dict.fromkeys(name for row in ordered for name in row.cells)]


def _row(boards: Sequence[Board], run: RunCard) -> SummaryRow:
    for board in boards:
        for table in (board.summary, *(table for table, _ in board.apart)):
            row = row_of(table, run)
            if row is not None:
                n_models = sum(not each.is_control for each in table.rows)
                on_board = table is board.summary and not row.is_control
                cells = {
                    heading(column): cell
                    for column, cell in zip(table.columns, row.cells, strict=True)
                }
                return SummaryRow(run, board.title, row.rank, n_models if on_board else None, cells)
    return SummaryRow(run, run.dataset.name, None, None, {})


def row_of(table: Table, run: RunCard) -> Row | None:
    """The run's row of a table."""
    return next((row for row in table.rows if row.card.plan_hash == run.plan_hash), None)
