"""Tables to Markdown and a fragment of HTML."""

from collections.abc import Callable, Sequence
from html import escape

from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.columns import Cell
from kapbench_leaderboard.tables.format_cells import (
    caption,
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
    return "\n".join(_markdown(table, with_notes) for table in tables)


def html(tables: Sequence[Table], *, with_notes: bool = True) -> str:
    """`<table>` elements with captions and notes, for the reader's own page."""
    return "\n".join(_html(table, with_notes) for table in tables)


def _body(
    table: Table, footnotes: dict[str, int], pair: Callable[[str, str], str]
) -> list[list[str]]:
    """Label and cells of each line as text, `pair` joining a number and its interval."""

    def cell_text(cell: Cell) -> str:
        span = interval(cell)
        return pair(marked(cell, footnotes), span) if span else marked(cell, footnotes)

    return [[label, *map(cell_text, cells)] for label, cells, _ in rows_of(table)]


def _markdown(table: Table, with_notes: bool) -> str:
    footnotes = reasons(table)
    body = _body(table, footnotes, lambda number, span: f"{number} ({span})")
    lines = [*map(literal, head(table)), "", pipe([table.of_rows, *map(heading, table.columns)])]
    lines.append(pipe([":--", *["--:"] * len(table.columns)]))
    lines += map(pipe, body)
    about = notes(table, footnotes) if with_notes else []
    return "\n".join([*lines, "", *(f"{literal(note)}  " for note in about), ""])


def _html(table: Table, with_notes: bool) -> str:
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
    about = "".join(f"<li>{escape(note)}</li>" for note in notes(table, footnotes))
    below = [f"<ul>{about}</ul>"] if with_notes else []
    return "\n".join([*lines, "</tbody>", "</table>", *below, ""])
