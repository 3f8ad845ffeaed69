"""Tables to files that programs read: CSV and JSON, values 0-1."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from kapbench.shown_text import escape_hidden, hidden_characters
from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.columns import Cell, Column
from kapbench_leaderboard.tables.format_cells import head
from kapbench_leaderboard.tables.rows import Row

SCHEMA_VERSION = 1
_FORMULA = ("=", "+", "-", "@")


def csv_(tables: Sequence[Table]) -> str:
    """One line for each run of each table; a cell without a number is empty."""
    lines = [_line(table, row) for table in tables for row in table.rows]
    fields = list(dict.fromkeys(name for line in lines for name in line))
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_field(value) for name, value in line.items()} for line in lines)
    return out.getvalue()


def json_(tables: Sequence[Table]) -> str:
    """Everything in the tables; null with its reason."""
    content = {"schema_version": SCHEMA_VERSION, "tables": [_table(t) for t in tables]}
    return written_out(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def written_out(text: str) -> str:
    """JSON with its hidden characters as escapes: the same values."""
    for character in hidden_characters(text, allowed="\n"):
        text = text.replace(character, json.dumps(character)[1:-1])
    return text


def csv_field(value: object) -> object:
    """A cell of CSV: a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = escape_hidden(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(table: Table, row: Row) -> dict[str, Any]:
    data = table.group.dataset
    line: dict[str, Any] = {
        "dataset": data.name,
        "dataset_revision": data.revision,
        "split": data.split,
        "n_pairs": data.n_pairs,
        "n_pairs_expected": data.n_pairs_expected,
        "rules": " ".join(f"{r.name}@{r.hash}" for r in table.rules),
        "alpha": table.alpha,
        "label": row.label,
        "rank": row.rank,
        "model": row.card.model.name,
        "model_revision": row.card.model.revision,
        "conditions_on": " ".join(row.card.model.conditions_on),
    }
    for column, cell in zip(table.columns, row.cells, strict=True):
        line[column.key] = cell.value
        if cell.low is not None and cell.high is not None:
            line |= {f"{column.key}.low": cell.low, f"{column.key}.high": cell.high}
        if cell.sd is not None:
            line[f"{column.key}.sd"] = cell.sd
    for each in table.references:
        cells = zip(table.columns, each.cells, strict=True)
        line |= {f"{each.key}.{c.key}": cell.value for c, cell in cells if cell.value is not None}
    return line


def _table(table: Table) -> dict[str, Any]:
    return {
        "dataset": table.group.dataset.model_dump(mode="json"),
        "rules": {r.name: r.hash for r in table.rules},
        "coverage": str(table.group.coverage),
        "head": head(table),
        "notes": list(table.notes),
        "columns": [c.key for c in table.columns],
        "rows": [_row(table.columns, row) for row in table.rows],
        "ranked_by": table.ranked_by,
        "beside": {each.key: _scores(table.columns, each.cells) for each in table.references},
    }


def _row(columns: Sequence[Column], row: Row) -> dict[str, Any]:
    model = row.card.model
    return {
        "label": row.label,
        "rank": row.rank,
        "model": model.name,
        "revision": model.revision,
        "conditions_on": list(model.conditions_on),
        "trained_on": model.trained_on,
        "control": row.is_control,
        "scores": _scores(columns, row.cells),
    }


def _scores(columns: Sequence[Column], cells: Sequence[Cell]) -> dict[str, Any]:
    return {column.key: _cell(cell) for column, cell in zip(columns, cells, strict=True)}


def _cell(cell: Cell) -> dict[str, Any]:
    """`sd` stands only in a mean over runs."""
    deviation = {} if cell.sd is None else {"sd": cell.sd}
    return deviation | {
        "value": cell.value,
        "low": cell.low,
        "high": cell.high,
        "n": cell.n,
        "reason": cell.reason,
    }
