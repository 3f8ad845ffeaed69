"""One layout file of SPair-71k: a pair a line, checked at the door."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kapbench.datasets.symmetry import categories as known_categories
from kapbench.errors import KapbenchError
from kapbench.registry import unknown


class Line(NamedTuple):
    """A line `number-source-target:category` of a layout file."""

    pair_id: str
    source: str
    target: str
    category: str
    number: int  # of the line, from 1


def read_layout(path: Path, fetch: str) -> Sequence[Line]:
    """The file's pairs in its order.

    Args:
        fetch: How to come by the data set, for who has it not.

    Raises:
        KapbenchError: no such file; a line that is no pair, pairs an image with itself, or repeats
            another.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KapbenchError("SPair-71k not found", place=path, fix=fetch) from error
    except (OSError, UnicodeDecodeError) as error:
        raise KapbenchError(
            f"SPair-71k cannot be read: {error}",
            place=path,
            fix="make the file readable, or fetch the data set again",
        ) from error
    numbered = enumerate(text.splitlines(), 1)
    lines = [_parse(line.strip(), path, number) for number, line in numbered if line.strip()]
    _refuse_repeats(lines, path)
    return lines


def place_of(line: Line, path: Path) -> str:
    return f"{path}, line {line.number}"


def _parse(text: str, path: Path, number: int) -> Line:
    names, _, category = text.partition(":")
    parts = names.split("-")
    if len(parts) != 3 or not all(parts):
        raise KapbenchError(
            f"not a pair: '{text}'",
            place=f"{path}, line {number}",
            fix="expected number-source-target:category",
        )
    line = Line(text, parts[1], parts[2], category, number)
    if category not in known_categories():
        raise unknown("category", category, known_categories(), place=place_of(line, path))
    if line.source == line.target:
        raise KapbenchError(
            f"an image paired with itself: '{text}'",
            place=place_of(line, path),
            fix="take the line out, or fetch the data set again",
        )
    return line


def _refuse_repeats(lines: Sequence[Line], path: Path) -> None:
    first: dict[tuple[str, str, str], Line] = {}
    for line in lines:
        earlier = first.setdefault((line.category, line.source, line.target), line)
        if earlier is not line:
            raise KapbenchError(
                f"the pair of line {earlier.number} again: '{line.pair_id}'",
                place=place_of(line, path),
                fix="take the line out, or fetch the data set again",
            )
