"""Tables to text, Markdown, CSV and JSON. Numbers are shown ×100, and kept 0-1 in files."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from kapbench_leaderboard.compare import Cell, Column, Row, Table

Format = Literal["text", "markdown", "csv", "json"]
MISSING = "n/a"
SCHEMA_VERSION = 1
_LABEL_WIDTH = 16  # the longest shipped name, dinov2.vitb14reg, is not broken


def render(tables: Sequence[Table], how: Format, *, width: int = 80, colour: bool = False) -> str:
    """The tables as one string that ends in a newline."""
    if how == "text":
        return "\n".join(text(table, width=width, colour=colour) for table in tables)
    return {"markdown": markdown, "csv": csv_, "json": json_}[how](tables)


def text(table: Table, *, width: int = 80, colour: bool = False) -> str:
    """For a terminal: with intervals where they fit, in blocks of columns where even that is wide."""
    console = Console(width=width, file=io.StringIO(), color_system="standard" if colour else None)
    reasons = _reasons(table)
    blocks = _blocks(console, table, reasons)
    lines = [Text(line) for line in table.head]
    parts: list[RenderableType] = [
        *lines,
        *blocks,
        *(Text(note, style="dim") for note in _notes(table, reasons)),
    ]
    with console.capture() as captured:
        console.print(Group(*parts), soft_wrap=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def markdown(tables: Sequence[Table]) -> str:
    return "\n".join(_markdown(table) for table in tables)


def csv_(tables: Sequence[Table]) -> str:
    """One line a run and table, values 0-1, empty where there is none."""
    lines = [_csv_line(table, row) for table in tables for row in table.rows]
    fields = list(dict.fromkeys(name for line in lines for name in line))
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def json_(tables: Sequence[Table]) -> str:
    """Everything that the tables know, values 0-1, null with its reason."""
    content = {"schema_version": SCHEMA_VERSION, "tables": [_json_table(t) for t in tables]}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def percent(cell: Cell) -> str:
    """Value ×100 with one decimal."""
    return MISSING if cell.value is None else f"{100 * cell.value:.1f}"


def interval(cell: Cell) -> str | None:
    """95 % interval ×100, None where there is none."""
    if cell.low is None or cell.high is None:
        return None
    return f"{100 * cell.low:.1f}–{100 * cell.high:.1f}"


def _reasons(table: Table) -> dict[str, int]:
    """Number of the footnote of each reason, in order of appearance."""
    cells = [cell for row in table.rows for cell in row.cells]
    distinct = dict.fromkeys(c.reason for c in cells if c.value is None and c.reason)
    return {reason: i + 1 for i, reason in enumerate(distinct) if reason}


def _marked(cell: Cell, reasons: dict[str, int]) -> str:
    mark = f"[{reasons[cell.reason]}]" if cell.value is None and cell.reason else ""
    return percent(cell) + mark


def _notes(table: Table, reasons: dict[str, int]) -> list[str]:
    has_interval = any(interval(c) for row in table.rows for c in row.cells)
    about = ["Scores ×100.", *table.notes]
    if has_interval:
        about.append("Ranges: 95 %, bootstrap over images.")
    return about + [f"[{number}] {reason}" for reason, number in reasons.items()]


def _blocks(console: Console, table: Table, reasons: dict[str, int]) -> list[RichTable]:
    everything = range(len(table.columns))
    for with_intervals in (True, False):
        whole = _rich(table, everything, reasons, with_intervals)
        if _fits(console, whole):
            return [whole]
    blocks: list[list[int]] = [[]]
    for i in everything:
        wider = [*blocks[-1], i]
        if blocks[-1] and not _fits(console, _rich(table, wider, reasons, with_intervals=False)):
            blocks.append([i])
        else:
            blocks[-1] = wider
    return [_rich(table, block, reasons, with_intervals=False) for block in blocks]


def _fits(console: Console, made: RichTable) -> bool:
    return (
        console.measure(made, options=console.options.update(max_width=10_000)).maximum
        <= console.width
    )


def _rich(
    table: Table, indices: Sequence[int], reasons: dict[str, int], with_intervals: bool
) -> RichTable:
    made = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    made.add_column("model", max_width=_LABEL_WIDTH, overflow="fold")
    for i in indices:
        heading = Text("\n".join(table.columns[i].heading))
        made.add_column(heading, justify="right", no_wrap=True)
    for row in table.rows:
        cells = [_screen(row.cells[i], reasons, with_intervals) for i in indices]
        made.add_row(Text(row.label), *cells, style="dim" if row.is_control else None)
    return made


def _screen(cell: Cell, reasons: dict[str, int], with_intervals: bool) -> Text:
    span = interval(cell) if with_intervals else None
    return Text(_marked(cell, reasons) + (f"\n{span}" if span else ""))


def _markdown(table: Table) -> str:
    reasons = _reasons(table)
    heading = ["model", *(" ".join(_joined(c.heading)) for c in table.columns)]
    lines = [*table.head, "", _pipe(heading), _pipe([":--", *["--:"] * len(table.columns)])]
    for row in table.rows:
        cells = [
            _marked(c, reasons) + (f" ({span})" if (span := interval(c)) else "") for c in row.cells
        ]
        lines.append(_pipe([row.label, *cells]))
    return "\n".join([*lines, "", *(f"{note}  " for note in _notes(table, reasons)), ""])


def _joined(heading: Sequence[str]) -> list[str]:
    """Heading lines as words; one that ends in a hyphen goes on in the next."""
    return " ".join(heading).replace("- ", "").replace(" @", "@").split(" ")


def _pipe(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _csv_line(table: Table, row: Row) -> dict[str, Any]:
    data = table.group.dataset
    line: dict[str, Any] = {
        "dataset": data.name,
        "dataset_revision": data.revision,
        "split": data.split,
        "n_pairs": data.n_pairs,
        "n_pairs_expected": data.n_pairs_expected,
        "rules": " ".join(f"{r.name}@{r.hash}" for r in table.group.rules),
        "model": row.card.model.name,
        "model_revision": row.card.model.revision,
        "conditions_on": " ".join(row.card.model.conditions_on),
    }
    for column, cell in zip(table.columns, row.cells, strict=True):
        line[column.key] = cell.value
        if cell.low is not None and cell.high is not None:
            line |= {f"{column.key}.low": cell.low, f"{column.key}.high": cell.high}
    return line


def _json_table(table: Table) -> dict[str, Any]:
    return {
        "dataset": table.group.dataset.model_dump(mode="json"),
        "rules": {r.name: r.hash for r in table.group.rules},
        "coverage": str(table.group.coverage),
        "head": list(table.head),
        "notes": list(table.notes),
        "columns": [c.key for c in table.columns],
        "rows": [_json_row(table.columns, row) for row in table.rows],
    }


def _json_row(columns: Sequence[Column], row: Row) -> dict[str, Any]:
    model = row.card.model
    return {
        "label": row.label,
        "model": model.name,
        "revision": model.revision,
        "conditions_on": list(model.conditions_on),
        "trained_on": model.trained_on,
        "control": row.is_control,
        "scores": {c.key: asdict(cell) for c, cell in zip(columns, row.cells, strict=True)},
    }
