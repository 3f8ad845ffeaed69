"""Reads the Layout files of SPair-71k, one pair a line, and checks them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kapbench.datasets.symmetry import categories as known_categories
from kapbench.errors import KapbenchError, unknown
from kapbench.untrusted.strict_text import read_text

CORRECT_PAIR = "Remove the line (or the file of that name), or fetch the data set again"


class Line(NamedTuple):
    """One pair, `number-source-target:category`."""

    pair_id: str
    source: str  # file name of the image without its ending
    target: str
    category: str
    place: str  # file and line, for errors


def read_layout(path: Path, fix: str) -> Sequence[Line]:
    """The file's pairs in its order.

    Args:
        fix: What to do where the data set is missing.

    Raises:
        KapbenchError: the file is missing; a line is not a pair, pairs an image with itself, or
            repeats another.
    """
    numbered = enumerate(read_text(path, fix).splitlines(), start=1)
    lines = [parse_line(text.strip(), f"{path}, line {n}") for n, text in numbered if text.strip()]
    if not lines:
        raise KapbenchError("The Layout file contains no pairs", place=path, fix=fix)
    refuse_repeats(lines)
    return lines


def parse_line(text: str, place: str) -> Line:
    """KapbenchError where it is not a pair, or pairs an image with itself."""
    names, _, category = text.partition(":")
    parts = names.split("-")
    if len(parts) != 3 or not all(parts) or not category:
        raise KapbenchError(
            f"'{text}' is not a pair", place=place, fix="Write it as number-source-target:category"
        )
    if category not in known_categories():
        raise unknown("category", category, known_categories(), place=place)
    if parts[1] == parts[2]:
        raise KapbenchError(f"'{text}' pairs an image with itself", place=place, fix=CORRECT_PAIR)
    return Line(text, parts[1], parts[2], category, place)


def restore_colon(stem: str) -> str:
    """The pair that a file name stands for, `number-source-target:category`.

    File names on Windows cannot hold ':': archives are unpacked with '_' in its place, or with
    U+F03A (in the Windows Subsystem for Linux).
    """
    if ":" not in stem:
        for category in known_categories():
            for substitute in ("_", "\uf03a"):
                if stem.endswith(f"{substitute}{category}"):
                    return f"{stem.removesuffix(category)[:-1]}:{category}"
    return stem


def list_stems(lines: Iterable[Line]) -> Mapping[str, Sequence[str]]:
    """The images in each category's pairs, without ending; both in alphabetical order."""
    stems: dict[str, set[str]] = {}
    for line in lines:
        stems.setdefault(line.category, set()).update((line.source, line.target))
    return {category: sorted(stems[category]) for category in sorted(stems)}


def refuse_repeats(lines: Iterable[Line]) -> None:
    """KapbenchError where two lines are the same pair of images."""
    first: dict[tuple[str, str, str], Line] = {}
    for line in lines:
        earlier = first.setdefault((line.category, line.source, line.target), line)
        if earlier is not line:
            raise KapbenchError(
                f"'{line.pair_id}' repeats the pair at {earlier.place}",
                place=line.place,
                fix=CORRECT_PAIR,
            )
