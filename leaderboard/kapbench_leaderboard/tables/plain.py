"""The texts of tables, which may be strangers', as they can be shown."""

from dataclasses import replace

from kapbench.shown_text import escape_hidden
from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.columns import Cell
from kapbench_leaderboard.tables.rows import ReferenceRow, Row


def plain(table: Table) -> Table:
    """The table with every hidden character of its texts written out."""
    columns = tuple(
        replace(column, heading=tuple(map(escape_hidden, column.heading)))
        for column in table.columns
    )
    return replace(
        table,
        columns=columns,
        head=tuple(map(escape_hidden, table.head)),
        notes=tuple(map(escape_hidden, table.notes)),
        rows=tuple(_row(row) for row in table.rows),
        references=tuple(_reference(row) for row in table.references),
    )


def _row(row: Row) -> Row:
    return replace(row, label=escape_hidden(row.label), cells=tuple(map(_cell, row.cells)))


def _reference(row: ReferenceRow) -> ReferenceRow:
    return replace(row, label=escape_hidden(row.label), cells=tuple(map(_cell, row.cells)))


def _cell(cell: Cell) -> Cell:
    return cell if cell.reason is None else replace(cell, reason=escape_hidden(cell.reason))
