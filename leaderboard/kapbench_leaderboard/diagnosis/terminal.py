"""A page for a terminal."""

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len

from kapbench_leaderboard.diagnosis.page import Block, Page, number_text
from kapbench_leaderboard.tables.format_cells import interval

_SPAN_HEADING = "95 %"
_GAP = 2


def text(page: Page, *, width: int = 80, with_notes: bool = True) -> str:
    """Intervals stand beside their numbers where they fit; wide blocks are cut between columns."""
    parts = [_wrapped(page.sentences, width), _wrapped(page.head, width)]
    for block in page.blocks:
        table = _table(block, page.footnotes, width)
        parts.append("\n".join([_wrapped([block.title], width), *table]))
        parts += [_wrapped(block.notes, width)] if with_notes and block.notes else []
    below = page.below if with_notes else page.footnote_lines
    parts += [_wrapped(below, width)] if below else []
    return "\n\n".join(parts) + "\n"


def _wrapped(texts: Sequence[str], width: int) -> str:
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(line for each in texts for line in wrapper.wrap(each))


def _table(block: Block, footnotes: dict[str, int], width: int) -> list[str]:
    columns = block.shown
    for spans in (set(columns), {i for i in columns if block.columns[i].lead}, set[int]()):
        lines = _lines(block, columns, spans, footnotes)
        if max(map(cell_len, lines)) <= width:
            return lines
    return _cut(block, columns, footnotes, width)


def _cut(block: Block, columns: Sequence[int], footnotes: dict[str, int], width: int) -> list[str]:
    """The columns in several tables below each other, without intervals."""
    parts: list[list[int]] = [[]]
    for i in columns:
        wider = _lines(block, [*parts[-1], i], set(), footnotes)
        if parts[-1] and max(map(cell_len, wider)) > width:
            parts.append([])
        parts[-1].append(i)
    out: list[str] = []
    for part in parts:
        out += ([""] if out else []) + _lines(block, part, set(), footnotes)
    return out


def _lines(
    block: Block, columns: Sequence[int], spans: set[int], footnotes: dict[str, int]
) -> list[str]:
    heads: list[Sequence[str]] = [[block.head]]
    bodies = [[row.label for row in block.rows]]
    for i in columns:
        heads.append(block.columns[i].heading)
        bodies.append([number_text(row, i, footnotes) for row in block.rows])
        if i in spans and any(intervals := [interval(row.cells[i]) or "" for row in block.rows]):
            heads.append([_SPAN_HEADING])
            bodies.append(intervals)
    tall = max(map(len, heads))
    filled = [[*[""] * (tall - len(head)), *head] for head in heads]
    wide = [max(map(cell_len, [*h, *b])) for h, b in zip(filled, bodies, strict=True)]
    rows = [*zip(*filled, strict=True), *zip(*bodies, strict=True)]
    return [_line(row, wide) for row in rows]


def _line(texts: Sequence[str], wide: Sequence[int]) -> str:
    first, *others = (
        t + " " * (w - cell_len(t)) if i == 0 else " " * (w - cell_len(t)) + t
        for i, (t, w) in enumerate(zip(texts, wide, strict=True))
    )
    return (" " * _GAP).join([first, *others]).rstrip()
