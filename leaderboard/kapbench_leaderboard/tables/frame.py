"""A table as a data frame, with the numbers that a reader of the table sees."""

from collections.abc import Iterator, Sequence

import pandas as pd

from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.choices import BY_CATEGORY
from kapbench_leaderboard.tables.columns import Cell, Column
from kapbench_leaderboard.tables.format_cells import heading
from kapbench_leaderboard.tables.over_runs import N_RUNS


def frame(tables: Sequence[Table], *, intervals: bool = False) -> pd.DataFrame:
    """Rows are models by their labels; the tables, which are of the same runs, stand side by side.

    By category, columns are pairs of the metric and the category.
    """
    first, *others = (_frame(table, intervals=intervals) for table in tables)
    if tables[0].columns[0].key == N_RUNS:  # every table begins with it
        others = [other.iloc[:, 1:] for other in others]
    return pd.concat([first, *others], axis=1).rename_axis(index="model")


def _frame(table: Table, *, intervals: bool) -> pd.DataFrame:
    lines = [list(_numbers(table, row.cells, intervals=intervals)) for row in table.rows]
    numbers = [[number for _, _, number in line] for line in lines]
    keys = [(metric, name) for metric, name, _ in lines[0]]
    columns: pd.Index = pd.Index([name for _, name in keys])
    if table.view in BY_CATEGORY:
        columns = pd.MultiIndex.from_tuples(keys, names=["metric", "category"])
    return pd.DataFrame(numbers, index=[row.label for row in table.rows], columns=columns)


def _numbers(
    table: Table, cells: Sequence[Cell], *, intervals: bool
) -> Iterator[tuple[str, str, float]]:
    """Metric, heading and number of each column of the frame; NaN where there is none."""
    for column, cell in zip(table.columns, cells, strict=True):
        words, metric = heading(column), _metric(table, column)
        values = {words: cell.value}
        if column.ranks and _has_deviations(table):
            values[f"{words} sd"] = cell.sd
        if intervals and column.ranks:
            values |= {f"{words} low": cell.low, f"{words} high": cell.high}
        for name, value in values.items():
            number = float("nan") if value is None else value
            yield metric, name, number if cell.is_count else round(100 * number, 1)


def _metric(table: Table, column: Column) -> str:
    """Of a column by category; nothing for the number of runs."""
    return "" if table.metric is None or column.key == N_RUNS else table.metric


def _has_deviations(table: Table) -> bool:
    return any(cell.sd is not None for row in table.rows for cell in row.cells)
