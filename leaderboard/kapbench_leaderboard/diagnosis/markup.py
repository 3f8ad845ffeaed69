"""Pages to Markdown, LaTeX (booktabs) and a fragment of HTML."""

from collections.abc import Sequence
from html import escape

from kapbench_leaderboard.diagnosis.page import INDENT, Block, Page, Row, number_text
from kapbench_leaderboard.tables.format_cells import interval
from kapbench_leaderboard.tables.markdown_text import literal, pipe
from kapbench_leaderboard.tables.tex_text import tex


def markdown(page: Page, *, with_notes: bool = True) -> str:
    listed = "\n".join(f"* {literal(sentence)}" for sentence in page.sentences)
    parts = [f"**{literal(page.sentences[0])}**" if len(page.sentences) == 1 else listed]
    parts.append("  \n".join(map(literal, page.head)))
    for block in page.blocks:
        lines = [literal(block.title), "", pipe([block.head, *_headings(block)])]
        lines.append("| :-- |" + " --: |" * len(block.shown))
        lines += [pipe([row.label, *_cells(block, row, page, "{} ({})")]) for row in block.rows]
        parts.append("\n".join(lines))
        parts += ["  \n".join(map(literal, block.notes))] if with_notes and block.notes else []
    below = page.below if with_notes else page.footnote_lines
    parts += ["  \n".join(map(literal, below))] if below else []
    return "\n\n".join(parts) + "\n"


def latex(page: Page, *, with_notes: bool = True) -> str:
    """A `table` environment for each block; what was diagnosed stands in the captions, the
    sentences in comments.
    """
    lines = [f"% {sentence}" for sentence in page.sentences]
    for number, block in enumerate(page.blocks):
        what = f" {'. '.join(page.head)}." if number == 0 else ""
        lines += [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{tex(f'{block.title}.{what}')}}}",
        ]
        lines += [f"  \\begin{{tabular}}{{l{'r' * len(block.shown)}}}", r"    \toprule"]
        lines += [
            f"    {' & '.join(map(tex, [block.head, *_headings(block)]))} \\\\",
            r"    \midrule",
        ]
        for row in block.rows:
            cells = [_tex_cell(block, row, i, page.footnotes) for i in block.shown]
            lines.append(f"    {' & '.join([_tex_label(row), *cells])} \\\\")
        lines += [r"    \bottomrule", r"  \end{tabular}"]
        is_last = number == len(page.blocks) - 1
        below = page.below if with_notes else page.footnote_lines
        notes = [*(block.notes if with_notes else ()), *(below if is_last else ())]
        if notes:
            lines.append(f"  \\par\\footnotesize {' '.join(map(tex, notes))}")
        lines += [r"\end{table}", ""]
    return "\n".join(lines)


def html(page: Page, *, with_notes: bool = True) -> str:
    lines = [f"<p><strong>{escape(sentence)}</strong></p>" for sentence in page.sentences]
    lines.append(f"<p>{'<br>'.join(map(escape, page.head))}</p>")
    for block in page.blocks:
        heads = "".join(
            f'<th scope="col">{escape(h)}</th>' for h in (block.head, *_headings(block))
        )
        lines += ["<table>", f"<caption>{escape(block.title)}</caption>"]
        lines += [f"<thead><tr>{heads}</tr></thead>", "<tbody>"]
        for row in block.rows:
            cells = "".join(f"<td>{escape(c)}</td>" for c in _cells(block, row, page, "{} ({})"))
            lines.append(f'<tr><th scope="row">{escape(row.label.strip())}</th>{cells}</tr>')
        lines += ["</tbody>", "</table>", *(_list(block.notes) if with_notes else ())]
    below = page.below if with_notes else page.footnote_lines
    return "\n".join([*lines, *_list(below), ""])


def _list(notes: Sequence[str]) -> list[str]:
    return [f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>"] if notes else []


def _headings(block: Block) -> Sequence[str]:
    return [block.columns[i].line for i in block.shown]


def _cells(block: Block, row: Row, page: Page, pair: str) -> list[str]:
    """Numbers, those with an interval as `pair` joins the two."""
    out = []
    for i in block.shown:
        number, span = number_text(row, i, page.footnotes), interval(row.cells[i]) or ""
        out.append(pair.format(number, span) if span else number)
    return out


def _tex_label(row: Row) -> str:
    r"""With `\quad` below a heading, where other formats have two spaces."""
    return (r"\quad " if row.label.startswith(INDENT) else "") + tex(row.label.strip())


def _tex_cell(block: Block, row: Row, place: int, footnotes: dict[str, int]) -> str:
    span = interval(row.cells[place])
    small = rf" {{\scriptsize {tex(span)}}}" if span and block.columns[place].lead else ""
    return tex(number_text(row, place, footnotes)) + small
