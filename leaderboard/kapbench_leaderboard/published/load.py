"""Reads published.json, or a file of the same form, and finds its rows by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from kapbench.errors import KapbenchError, unknown
from kapbench.untrusted.refused_values import describe_first
from kapbench.untrusted.strict_text import parse_json, read_bytes
from kapbench_leaderboard.published.schema import (
    SCHEMA_VERSION,
    Measure,
    ModelParts,
    Quoted,
    Row,
    Table,
)

_FIX = "Correct it, or leave --published out"


@dataclass(frozen=True, slots=True)
class Number:
    """One quoted number ×100, with all that is said of its row."""

    table: Table
    row: Row
    alpha: float
    value: float

    @property
    def name(self) -> str:
        return f"{self.table.name}.{self.row.name}"

    @property
    def average(self) -> str:
        return self.row.average or self.table.average

    @property
    def supervision(self) -> str:
        return self.row.supervision or self.table.supervision

    @property
    def grade(self) -> str:
        return self.row.grade or self.table.grade


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A row that a command repeats."""

    table: Table
    row: Row
    measure: Measure
    parts: ModelParts

    @property
    def name(self) -> str:
        return f"{self.table.name}.{self.row.name}"


def published(path: Path | None = None) -> Quoted:
    """
    Args:
        path: A file of the same form; None: the numbers that come with kapbench.

    Raises:
        KapbenchError: the file cannot be read, is of a newer schema, or has a wrong value, which is
            named.
    """
    place = path or Path(str(files("kapbench_leaderboard") / "published.json"))
    text = read_bytes(place, "Give a file of published numbers, or leave --published out")
    content = parse_json(text, place, fix=_FIX)
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise KapbenchError(
            f"The file has schema {version}, and this kapbench reads schema {SCHEMA_VERSION}",
            place=place,
            fix="Install a newer version: pip install --upgrade kapbench",
        )
    try:
        return Quoted.model_validate(content)
    except ValidationError as error:
        raise KapbenchError(
            f"This is not a file of published numbers. {describe_first(error)}",
            place=place,
            fix=_FIX,
        ) from error


def numbers(quoted: Quoted) -> Iterator[Number]:
    """Every number of a file, by table."""
    for table, row in quoted.rows():
        for alpha, value in row.values.items():
            yield Number(table, row, alpha, value)


def repeatable(quoted: Quoted, table: Table, row: Row) -> Repeatable | None:
    """None where the row says why no command repeats it."""
    if table.measure is None or row.model is None:
        return None
    return Repeatable(table, row, table.measure, quoted.models[row.model])


def find_row(quoted: Quoted, name: str) -> Repeatable:
    """The row of a name.

    Raises:
        KapbenchError: no row has it, or no command repeats the row.
    """
    by_name = {f"{table.name}.{row.name}": (table, row) for table, row in quoted.rows()}
    if name not in by_name:
        raise unknown("published number", name, by_name)
    table, row = by_name[name]
    chosen = repeatable(quoted, table, row)
    if chosen is None:
        raise KapbenchError(
            f"No command repeats this number. {(row.why_not or table.why_not).rstrip('.')}",
            place=name,
            fix="Choose one that `kapbench reproduce --list` shows",
        )
    return chosen
