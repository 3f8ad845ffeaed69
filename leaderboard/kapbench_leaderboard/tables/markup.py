"""Tables to Markdown, LaTeX (booktabs) and a fragment of HTML."""

import re
from collections.abc import Callable, Sequence
from html import escape

from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.columns import Cell
from kapbench_leaderboard.tables.format_cells import (
    caption,
    heading,
    interval,
    marked,
    notes,
    reasons,
    rows_of,
)

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "…": r"\ldots{}",
    "α": r"$\alpha$",
    "†": r"\dag{}",
    "°": r"$^\circ$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def markdown(tables: Sequence[Table]) -> str:
    return "\n".join(_markdown(table) for table in tables)


def latex(tables: Sequence[Table]) -> str:
    """`table` environments for a paper that uses booktabs; the best model of each column is bold."""
    return "\n".join(_latex(table) for table in tables)


def html(tables: Sequence[Table]) -> str:
    """`<table>` elements with captions and notes, for the reader's own page."""
    return "\n".join(_html(table) for table in tables)


def best(table: Table) -> list[float | None]:
    """The best value among at least two models in each column that may order them."""
    out: list[float | None] = []
    for i, column in enumerate(table.columns):
        values = [row.cells[i].value for row in table.rows if not row.is_control]
        known = [value for value in values if value is not None]
        ranked = column.ranks and table.view != "paired"
        choose = min if column.lower_is_better else max
        out.append(choose(known) if len(known) > 1 and ranked else None)
    return out


def _body(
    table: Table, footnotes: dict[str, int], pair: Callable[[str, str], str]
) -> list[list[str]]:
    """Label and cells of each line as text, `pair` joining a number and its interval."""

    def cell_text(cell: Cell) -> str:
        span = interval(cell)
        return pair(marked(cell, footnotes), span) if span else marked(cell, footnotes)

    return [[label, *map(cell_text, cells)] for label, cells, _ in rows_of(table)]


def _markdown(table: Table) -> str:
    footnotes = reasons(table)
    body = _body(table, footnotes, lambda number, span: f"{number} ({span})")
    lines = [*map(_literal, table.head), "", _pipe(["model", *map(heading, table.columns)])]
    lines.append(_pipe([":--", *["--:"] * len(table.columns)]))
    lines += map(_pipe, body)
    return "\n".join([*lines, "", *(f"{_literal(note)}  " for note in notes(table, footnotes)), ""])


def _pipe(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_literal, cells)) + " |"


def _literal(text: str) -> str:
    """A text for Markdown that is shown as it is: no markup, link, image or mention in it works."""
    escaped = re.sub(r"([\\`*\[\]|!])", r"\\\1", escape(text, quote=False))
    return re.sub(r"(?<!\w)@(?=\w)", "@<!-- -->", escaped)


def _latex(table: Table) -> str:
    footnotes, top = reasons(table), best(table)
    lines = [r"\begin{table}", r"  \centering", f"  \\caption{{{_tex(caption(table))}}}"]
    lines += [f"  \\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"    \toprule"]
    lines += [f"    model & {' & '.join(_tex(heading(c)) for c in table.columns)} \\\\"]
    lines += [r"    \midrule"]
    controls = False
    for label, row, apart in rows_of(table):
        if apart and not controls and lines[-1] != r"    \midrule":
            lines.append(r"    \midrule")
        controls = apart
        cells = []
        for cell, best_value in zip(row, top, strict=True):
            number, span = _tex(marked(cell, footnotes)), interval(cell)
            if best_value is not None and cell.value == best_value and not apart:
                number = rf"\textbf{{{number}}}"
            cells.append(number + (rf" {{\scriptsize {_tex(span)}}}" if span else ""))
        lines.append(f"    {' & '.join([_tex(label), *cells])} \\\\")
    about = " ".join(_tex(note) for note in notes(table, footnotes))
    lines += [r"    \bottomrule", r"  \end{tabular}", f"  \\par\\footnotesize {about}"]
    return "\n".join([*lines, r"\end{table}", ""])


def _tex(words: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in words)


def _html(table: Table) -> str:
    footnotes = reasons(table)
    body = _body(table, footnotes, lambda number, span: f"{number}\0{span}")
    lines = ["<table>", f"<caption>{escape(caption(table))}</caption>", "<thead><tr>"]
    lines += [f'<th scope="col">{escape(h)}</th>' for h in ("model", *map(heading, table.columns))]
    lines += ["</tr></thead>", "<tbody>"]
    for label, *cells in body:
        row = [f'<th scope="row">{escape(label)}</th>']
        for cell in cells:
            number, _, span = cell.partition("\0")
            small = f"<br><small>{escape(span)}</small>" if span else ""
            row.append(f"<td>{escape(number)}{small}</td>")
        lines.append(f"<tr>{''.join(row)}</tr>")
    about = "".join(f"<li>{escape(note)}</li>" for note in notes(table, footnotes))
    return "\n".join([*lines, "</tbody>", "</table>", f"<ul>{about}</ul>", ""])
