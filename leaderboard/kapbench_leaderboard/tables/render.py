"""Tables to text, Markdown, LaTeX, HTML, CSV and JSON. Shown ×100, kept 0-1 in files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.choices import PLAIN, Format, Style
from kapbench_leaderboard.tables.csv_json import csv_, json_
from kapbench_leaderboard.tables.latex import latex
from kapbench_leaderboard.tables.markup import html, markdown
from kapbench_leaderboard.tables.plain import plain
from kapbench_leaderboard.tables.terminal import text


def render(
    tables: Sequence[Table],
    how: Format,
    *,
    width: int = 80,
    colour: bool = False,
    style: Style = PLAIN,
    resamples: Mapping[str, Resamples] | None = None,
) -> str:
    """The tables as one string that ends in a newline.

    Args:
        resamples: By the hash of a run's records; with them LaTeX tests which scores may be bold.

    Raises:
        KapbenchError: `style` has a label that LaTeX would not take.
    """
    tables = [_with_intervals(plain(table), how, style) for table in tables]
    if how == "text":
        return text(
            tables,
            width=width,
            colour=colour,
            with_notes=style.notes,
            with_intervals=bool(style.intervals),
        )
    if how == "csv":
        return csv_(tables)
    if how == "json":
        return json_(tables)
    if how == "latex":
        return latex(tables, style, resamples or {})
    return {"markdown": markdown, "html": html}[how](tables, with_notes=style.notes)


def _with_intervals(table: Table, how: Format, style: Style) -> Table:
    """The table without intervals where none shall be shown."""
    chosen = style.intervals
    if (how != "latex" or table.view == "paired") if chosen is None else chosen:
        return table
    rows = [
        replace(row, cells=tuple(replace(cell, low=None, high=None) for cell in row.cells))
        for row in table.rows
    ]
    return replace(table, rows=tuple(rows))
