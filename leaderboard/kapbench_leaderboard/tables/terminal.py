"""Tables for a terminal."""

import io
import re
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.columns import Cell
from kapbench_leaderboard.tables.format_cells import (
    each_once,
    head,
    interval,
    marked,
    notes,
    reasons,
    rows_of,
)

_LABEL_WIDTH = 18  # the longest shipped name with its rank, 1. dinov2.vitb14reg, nearly fits
_INDENT = "  "
_BREAKS = re.compile(r"(?<=[._@/ -])(?=[^ ])(?<!^\d\. )(?<!^\d\d\. )")


def text(
    tables: Sequence[Table],
    *,
    width: int = 80,
    colour: bool = False,
    with_notes: bool = True,
    with_intervals: bool = False,
) -> str:
    """With intervals where they fit, or always, as of differences; in blocks where the table is wide."""
    console = Console(width=width, file=io.StringIO(), color_system="standard" if colour else None)
    blocks, below = [], []
    for table in tables:
        footnotes = reasons(table)
        always = with_intervals or table.view == "paired"
        spans, of_table = _blocks(console, table, footnotes, always)
        blocks.append(of_table)
        below.append(notes(table, footnotes, spans=spans) if with_notes else [])
    printed = [
        _printed(console, [*map(Text, head(table)), *made, *(Text(n, style="dim") for n in about)])
        for table, made, about in zip(tables, blocks, each_once(tables, below), strict=True)
    ]
    return "\n".join(printed)


def _printed(console: Console, parts: Sequence[RenderableType]) -> str:
    with console.capture() as captured:
        console.print(Group(*parts), soft_wrap=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _blocks(
    console: Console, table: Table, footnotes: dict[str, int], always: bool
) -> tuple[list[bool], list[RichTable]]:
    """Which columns show their intervals, and the table in one or more blocks of columns."""
    everything = range(len(table.columns))
    every = [True for _ in everything]
    least = every if always else [False for _ in everything]
    for spans in (every, [c.lead or always for c in table.columns], least):
        whole = _rich(table, everything, footnotes, spans)
        if _fits(console, whole):
            return spans, [whole]
    blocks: list[list[int]] = [[]]
    step = 2 if table.view == "paired" else 1  # a difference stands beside its p
    for i in everything[::step]:
        together = [*everything[i : i + step]]
        wider = [*blocks[-1], *together]
        if blocks[-1] and not _fits(console, _rich(table, wider, footnotes, least)):
            blocks.append(together)
        else:
            blocks[-1] = wider
    return least, [_rich(table, block, footnotes, least) for block in blocks]


def _fits(console: Console, made: RichTable) -> bool:
    unbound = console.options.update(max_width=10_000)
    return console.measure(made, options=unbound).maximum <= console.width


def _rich(
    table: Table, indices: Sequence[int], footnotes: dict[str, int], spans: Sequence[bool]
) -> RichTable:
    made = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    made.add_column(table.of_rows, max_width=_LABEL_WIDTH, overflow="fold")
    for i in indices:
        heading = Text("\n".join(table.columns[i].heading))
        made.add_column(heading, justify="right", no_wrap=True)
    for name, row, apart in rows_of(table):
        cells = [_screen(row[i], footnotes, with_interval=spans[i]) for i in indices]
        made.add_row(Text("\n".join(_label_lines(name))), *cells, style="dim" if apart else None)
    return made


def _label_lines(name: str) -> list[str]:
    """A label broken after a point or another sign, and inside a word only where that is too long.

    A rank stays with its name, and what goes on in another line is indented.
    """
    first, *others = _BREAKS.split(name)
    lines = [first]
    for part in others:
        joined = lines[-1] + part
        fits = cell_len(joined.rstrip()) <= _LABEL_WIDTH
        lines[-1:] = [joined] if fits else [lines[-1], _INDENT + part]
    return [part for line in lines for part in chop_cells(line.rstrip(), _LABEL_WIDTH)]


def _screen(cell: Cell, footnotes: dict[str, int], *, with_interval: bool) -> Text:
    span = interval(cell) if with_interval else None
    return Text(marked(cell, footnotes) + (f"\n{span}" if span else ""))
