"""Tables to Markdown and a fragment of HTML."""

from collections.abc import Callable, Sequence
from html import escape

from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.columns import Cell
from kapbench_leaderboard.tables.format_cells import (
    caption,
    each_once,
    head,
    heading,
    interval,
    marked,
    notes,
    reasons,
    rows_of,
)
from kapbench_leaderboard.tables.markdown_text import literal, pipe


def markdown(tables: Sequence[Table], *, with_notes: bool = True) -> str:
    below = _notes(tables, with_notes)
    return "\n".join(map(_markdown, tables, below))


def html(tables: Sequence[Table], *, with_notes: bool = True) -> str:
    """`<table>` elements with captions and notes, for the reader's own page."""
    below = _notes(tables, with_notes)
    return "\n".join(map(_html, tables, below))


def _notes(tables: Sequence[Table], with_notes: bool) -> list[list[str]]:
    return each_once(tables, [notes(t, reasons(t)) if with_notes else [] for t in tables])


def _body(
    table: Table, footnotes: dict[str, int], pair: Callable[[str, str], str]
) -> list[list[str]]:
    """Label and cells of each line as text, `pair` joining a number and its interval."""

    def cell_text(cell: Cell) -> str:
        span = interval(cell)
        return pair(marked(cell, footnotes), span) if span else marked(cell, footnotes)

    return [[label, *map(cell_text, cells)] for label, cells, _ in rows_of(table)]


def _markdown(table: Table, below: Sequence[str]) -> str:
    footnotes = reasons(table)
    body = _body(table, footnotes, lambda number, span: f"{number} ({span})")
    lines = [*map(literal, head(table)), "", pipe([table.of_rows, *map(heading, table.columns)])]
    lines.append(pipe([":--", *["--:"] * len(table.columns)]))
    lines += map(pipe, body)
    lines += ["", *(f"{literal(note)}  " for note in below)] if below else []
    return "\n".join([*lines, ""])


def _html(table: Table, below: Sequence[str]) -> str:
    footnotes = reasons(table)
    body = _body(table, footnotes, lambda number, span: f"{number}\0{span}")
    lines = ["<table>", f"<caption>{escape(caption(head(table)))}</caption>", "<thead><tr>"]
    lines += [
        f'<th scope="col">{escape(h)}</th>' for h in (table.of_rows, *map(heading, table.columns))
    ]
    lines += ["</tr></thead>", "<tbody>"]
    for label, *cells in body:
        row = [f'<th scope="row">{escape(label)}</th>']
        for cell in cells:
            number, _, span = cell.partition("\0")
            small = f"<br><small>{escape(span)}</small>" if span else ""
            row.append(f"<td>{escape(number)}{small}</td>")
        lines.append(f"<tr>{''.join(row)}</tr>")
    items = "".join(f"<li>{escape(note)}</li>" for note in below)
    listed = [f"<ul>{items}</ul>"] if items else []
    return "\n".join([*lines, "</tbody>", "</table>", *listed, ""])
