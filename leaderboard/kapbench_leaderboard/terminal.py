"""A table for a terminal."""

import io
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from kapbench_leaderboard.columns import Cell
from kapbench_leaderboard.compare import Table
from kapbench_leaderboard.shown import interval, label, marked, notes, reasons

_LABEL_WIDTH = 18  # the longest shipped name with its rank, 1. dinov2.vitb14reg, nearly fits


def text(table: Table, *, width: int = 80, colour: bool = False) -> str:
    """With intervals where they fit, in blocks of columns where even that is wide."""
    console = Console(width=width, file=io.StringIO(), color_system="standard" if colour else None)
    footnotes = reasons(table)
    parts: list[RenderableType] = [
        *(Text(line) for line in table.head),
        *_blocks(console, table, footnotes),
        *(Text(note, style="dim") for note in notes(table, footnotes)),
    ]
    with console.capture() as captured:
        console.print(Group(*parts), soft_wrap=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _blocks(console: Console, table: Table, footnotes: dict[str, int]) -> list[RichTable]:
    everything = range(len(table.columns))
    for with_intervals in (True, False):
        whole = _rich(table, everything, footnotes, with_intervals)
        if _fits(console, whole):
            return [whole]
    blocks: list[list[int]] = [[]]
    for i in everything:
        wider = [*blocks[-1], i]
        if blocks[-1] and not _fits(console, _rich(table, wider, footnotes, with_intervals=False)):
            blocks.append([i])
        else:
            blocks[-1] = wider
    return [_rich(table, block, footnotes, with_intervals=False) for block in blocks]


def _fits(console: Console, made: RichTable) -> bool:
    unbound = console.options.update(max_width=10_000)
    return console.measure(made, options=unbound).maximum <= console.width


def _rich(
    table: Table, indices: Sequence[int], footnotes: dict[str, int], with_intervals: bool
) -> RichTable:
    made = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    made.add_column("model", max_width=_LABEL_WIDTH, overflow="fold")
    for i in indices:
        heading = Text("\n".join(table.columns[i].heading))
        made.add_column(heading, justify="right", no_wrap=True)
    for row in table.rows:
        cells = [_screen(row.cells[i], footnotes, with_intervals) for i in indices]
        made.add_row(Text(label(row)), *cells, style="dim" if row.is_control else None)
    return made


def _screen(cell: Cell, footnotes: dict[str, int], with_intervals: bool) -> Text:
    span = interval(cell) if with_intervals else None
    return Text(marked(cell, footnotes) + (f"\n{span}" if span else ""))
