"""Cells as a reader sees them, the same in every format."""

from collections.abc import Sequence

from kapbench_leaderboard.tables.build import IDENTITY_TITLE, Table
from kapbench_leaderboard.tables.columns import Cell, Column
from kapbench_leaderboard.tables.notes import definitions
from kapbench_leaderboard.tables.rows import Row

MISSING = "n/a"
_TIMES_100 = "Scores ×100."
_RANGES = "Ranges are 95 % confidence intervals from a bootstrap over images."
_TOO_WIDE = "are left out because the table is too wide; --format csv has them."


def number(cell: Cell) -> str:
    """Value ×100 with one decimal, a difference with its sign, a p-value with three digits.

    A mean over several runs has its standard deviation after it.
    """
    if cell.value is None:
        return MISSING if cell.reason else ""
    if cell.is_p:
        return "<0.001" if cell.value < 0.001 else f"{cell.value:.3f}"
    if cell.is_count:
        return f"{cell.value:,.0f}"
    shown = _percent(cell.value, signed=cell.signed)
    return shown if cell.sd is None else f"{shown} ± {100 * cell.sd:.1f}"


def interval(cell: Cell) -> str | None:
    """95 % interval ×100 with …, since a dash would be read as a minus; None where there is none."""
    if cell.low is None or cell.high is None:
        return None
    low, high = (_percent(end, signed=cell.signed) for end in (cell.low, cell.high))
    return f"{low}…{high}"


def _percent(value: float, *, signed: bool) -> str:
    """×100 with one decimal and a true minus sign, `signed`: also a plus sign; never −0.0."""
    percent = round(100 * value, 1) + 0.0
    shown = f"{percent:+.1f}" if signed and percent else f"{percent:.1f}"
    return shown.replace("-", "−")


def heading(column: Column) -> str:
    """On one line; no space stands behind a hyphen at the end of a line."""
    lines = [line if line.endswith("-") else f"{line} " for line in column.heading]
    return "".join(lines).rstrip().replace(" @", "@")


def metric_title(table: Table) -> str:
    """What all columns of a table show, e.g. KAP@0.10; identity has no alpha."""
    return IDENTITY_TITLE if table.metric == IDENTITY_TITLE else f"{table.metric}@{table.alpha:.2f}"


def head(table: Table) -> list[str]:
    """The lines above a table; of one of several tables, the first names the metric."""
    first, *others = table.head
    return [first if table.metric is None else f"{first}; {metric_title(table)}", *others]


def caption(lines: Sequence[str]) -> str:
    """The lines above a table as sentences."""
    return " ".join(line if line.endswith(".") else f"{line}." for line in lines)


def label(row: Row) -> str:
    return row.label if row.rank is None else f"{row.rank}. {row.label}"


def rows_of(table: Table) -> list[tuple[str, Sequence[Cell], bool]]:
    """Label, cells, and whether the row stands apart from the models: controls, references."""
    rows = [(label(row), row.cells, row.is_control) for row in table.rows]
    return [*rows, *((each.label, each.cells, True) for each in table.references)]


def reasons(table: Table) -> dict[str, int]:
    """Number of the footnote of each reason, in order of appearance."""
    cells = [cell for _, row, _ in rows_of(table) for cell in row]
    distinct = dict.fromkeys(c.reason for c in cells if c.value is None and c.reason)
    return {reason: i + 1 for i, reason in enumerate(distinct) if reason}


def marked(cell: Cell, footnotes: dict[str, int]) -> str:
    """A number, or n/a with the number of its footnote."""
    mark = f"[{footnotes[cell.reason]}]" if cell.value is None and cell.reason else ""
    return number(cell) + mark


def notes(
    table: Table, footnotes: dict[str, int], *, spans: Sequence[bool] | None = None
) -> list[str]:
    """All lines below a table; `spans`: which columns show their intervals, None: all."""
    columns = range(len(table.columns))
    with_intervals = {i for i in columns for row in table.rows if interval(row.cells[i])}
    hidden = {i for i in with_intervals if spans is not None and not spans[i]}
    about = [_TIMES_100, *table.notes]
    if any(row.rank is not None for row in table.rows):
        about.append(
            f"Rank: 1 + the number of models whose {table.ranked_by} is significantly better (paired "
            "test, p < 0.05 after Holm's correction)."
        )
    if with_intervals - hidden:
        about.append(_RANGES)
    if hidden:
        which = "Confidence" if hidden == with_intervals else "Other confidence"
        about.append(f"{which} intervals {_TOO_WIDE}")
    return about + [f"[{n}] {reason}" for reason, n in footnotes.items()]


def each_once(tables: Sequence[Table], notes_of_tables: Sequence[Sequence[str]]) -> list[list[str]]:
    """The notes of several tables, each only below the last of those that it concerns.

    Definitions concern all tables, and what is said of runs and their pairs those of one comparability
    group. Footnotes, which have a number in their table, and what is said of one table's width stay.
    """
    kept: list[list[str]] = []
    below: set[tuple[int | None, str]] = set()  # the group, None: any; and the note
    for table, lines in zip(reversed(tables), reversed(notes_of_tables), strict=True):
        of_all = {_TIMES_100, _RANGES, *definitions(table.group, table.view)}
        concerned = [(None if note in of_all else id(table.group), note) for note in lines]
        kept.append([n for key, n in concerned if (key, n) not in below or _is_of_one_table(n)])
        below.update(concerned)
    return kept[::-1]


def _is_of_one_table(note: str) -> bool:
    return note.startswith("[") or note.endswith(_TOO_WIDE)
