"""What a diagnosis prints: sentences first, then blocks of numbers, then notes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kapbench.scoring.intervals import Interval
from kapbench.shown_text import escape_hidden
from kapbench_leaderboard.tables.columns import Cell
from kapbench_leaderboard.tables.format_cells import marked

EMPTY = Cell(None)
INDENT = "  "  # of the label of a row below a heading


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names it in files, `heading` on screen (one entry for each line).

    `lead`: whether its interval is worth room on a narrow screen. `in_files_alone`: only CSV and JSON
    have the column.
    """

    key: str
    heading: tuple[str, ...]
    lead: bool = False
    in_files_alone: bool = False

    @property
    def line(self) -> str:
        """The heading on one line; a line that ends in a hyphen is joined with the next."""
        return " ".join(self.heading).replace("- ", "")


@dataclass(frozen=True, slots=True)
class Row:
    """`key` names it in files. A row without any number is a heading of those below it.

    `significant`: places of the cells that have a star.
    """

    key: str
    label: str
    cells: tuple[Cell, ...]
    significant: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """`head`: what the rows are. `notes`: what its numbers mean."""

    key: str
    title: str
    head: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> list[int]:
        """Places of the columns that readers see."""
        return [i for i, column in enumerate(self.columns) if not column.in_files_alone]


@dataclass(frozen=True, slots=True)
class Page:
    """Of one run, or of several that may be compared; `head`: what was diagnosed."""

    sentences: tuple[str, ...]
    head: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]

    @property
    def footnotes(self) -> dict[str, int]:
        """Number of each reason why a cell has no number, in order of appearance."""
        cells = [cell for block in self.blocks for row in block.rows for cell in row.cells]
        reasons = dict.fromkeys(c.reason for c in cells if c.value is None and c.reason)
        return {reason: i + 1 for i, reason in enumerate(reasons) if reason}

    @property
    def below(self) -> list[str]:
        """Notes, then footnotes."""
        return [*self.notes, *self.footnote_lines]

    @property
    def footnote_lines(self) -> list[str]:
        """Why cells have no number: also without notes."""
        return [f"[{n}] {reason}" for reason, n in self.footnotes.items()]


def number_text(row: Row, place: int, footnotes: dict[str, int]) -> str:
    """As a reader sees it, with a star or the number of a footnote."""
    star = "*" if place in row.significant else ""
    return marked(row.cells[place], footnotes) + star


def plain(page: Page) -> Page:
    """The page with every hidden character of its texts, which may be strangers', written out."""
    return Page(
        _plain(page.sentences),
        _plain(page.head),
        tuple(_plain_block(block) for block in page.blocks),
        _plain(page.notes),
    )


def _plain_block(block: Block) -> Block:
    columns = tuple(replace(column, heading=_plain(column.heading)) for column in block.columns)
    rows = tuple(replace(row, label=escape_hidden(row.label)) for row in block.rows)
    title, head = escape_hidden(block.title), escape_hidden(block.head)
    notes = _plain(block.notes)
    return replace(block, title=title, head=head, columns=columns, rows=rows, notes=notes)


def _plain(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(escape_hidden, texts))


def cell(interval: Interval, reason: str, *, signed: bool = False) -> Cell:
    """A number with its interval.

    Args:
        reason: Why there is no number, where it is NaN; a whole sentence.
    """
    if math.isnan(interval.value):
        return Cell(None, reason=reason)
    if math.isnan(interval.low) or math.isnan(interval.high):
        return Cell(interval.value, signed=signed)
    return Cell(interval.value, interval.low, interval.high, signed=signed)


def value(number: float, reason: str) -> Cell:
    """A number without an interval."""
    return Cell(None, reason=reason) if math.isnan(number) else Cell(number)


def p_value(p: float, reason: str | None) -> Cell:
    """`reason`: why there is none, where it is NaN; None: there is nothing to test."""
    return Cell(None, reason=reason) if math.isnan(p) else Cell(p, is_p=True)
