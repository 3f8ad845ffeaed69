"""Parses a manifest in the form of a table: one line per image, two columns per keypoint."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kapbench.datasets.manifest.partial import Problem

NUMBERS = ("width", "height", "azimuth_bin", "truncated", "occluded")
BOX = ("x1", "y1", "x2", "y2")
TEXTS = ("path", "category", "id", "mask")
PAIR = ["source", "target"]
Line = tuple[int, list[str]]
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d+)")
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # a decimal comma, or one between thousands


class ParsedImages(NamedTuple):
    """Content as of a JSON manifest, the line of each image, what is wrong, and remarks."""

    content: dict[str, Any]
    lines: list[int]
    problems: list[Problem]
    remarks: tuple[str, ...]


def parse_images(text: str, path: Path) -> ParsedImages:
    """The images of a table whose columns are separated by commas, semicolons or tabs.

    Numbers stay texts; lines that cannot be read are left out. Where semicolons separate columns,
    commas in numbers are decimal points, but 1,024 is refused. Columns: path, category; optionally
    id, width, height, x1, y1, x2, y2, azimuth_bin, truncated, occluded, mask; NAME_x and NAME_y for
    each keypoint, empty where it is not visible. A category has the keypoints that are visible in
    any of its images, in the order of the columns.
    """
    separator = find_separator(text)
    lines, problems = _read_lines(text, separator)
    columns = [column.strip() for column in lines.pop(0)[1]] if lines else []
    names = [c[:-2] for c in columns if c.endswith("_x") and f"{c[:-2]}_y" in columns]
    problems += _check_columns(columns, names)
    images, numbers, has_commas = [], [], False
    for number, cells in lines:
        if len(cells) != len(columns):
            message = f"The line has {len(cells)} cells, the first line has {len(columns)}"
            problems.append((f"line {number}", message))
            continue
        texts = {k: cell.strip() for k, cell in zip(columns, cells, strict=True)}
        if separator == ";":
            commas = {k: t for k, t in texts.items() if k not in TEXTS and "," in t}
            if ambiguous := [t for t in commas.values() if _AMBIGUOUS.fullmatch(t)]:
                problems.append((f"line {number}", _describe_ambiguous(ambiguous[0])))
                continue
            texts |= {k: _DECIMAL_COMMA.sub(r"\1.\2", t) for k, t in commas.items()}
            has_commas |= bool(commas)
        if wrong := _find_wrong_cell(texts, names):
            problems.append((f"line {number}", wrong))
            continue
        images.append(_parse_image(texts, names))
        numbers.append(number)
    categories = _assign_keypoints(images, names)
    content = {"name": path.stem, "categories": categories, "images": images}
    return ParsedImages(content, numbers, problems, _remark(path, separator, has_commas))


def find_separator(text: str) -> str:
    """What separates the columns: the comma, unless only another separator is in the first line."""
    first = text.lstrip().partition("\n")[0]
    return next((separator for separator in SEPARATORS if separator in first), ",")


def parse_pairs(text: str) -> tuple[list[list[str]], list[int], list[Problem]]:
    """Source and target id of each line of a pair list, the lines' numbers, and what is wrong."""
    lines, problems = _read_lines(text, find_separator(text))
    if not lines or [column.strip() for column in lines[0][1]] != PAIR:
        return [], [], [*problems, ("line 1", f"The columns must be {', '.join(PAIR)}")]
    pairs, numbers = [], []
    for number, cells in lines[1:]:
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            problems.append((f"line {number}", "The line must hold a source and a target"))
            continue
        pairs.append([cell.strip() for cell in cells])
        numbers.append(number)
    return pairs, numbers, problems


def missing_column(name: str) -> Problem:
    """The problem of a table without a column that it needs."""
    return "line 1", f"Column '{name}' is missing"


def _read_lines(text: str, separator: str) -> tuple[list[Line], list[Problem]]:
    """Non-empty lines by their number; a cell that spans several lines counts as its last."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines: list[Line] = []
    try:
        lines.extend((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        return lines, [(f"line {reader.line_num}", f"The file is not CSV from here on: {error}")]
    return lines, []


def _remark(path: Path, separator: str, has_commas: bool) -> tuple[str, ...]:
    remarks = [f"The columns of {path.name} are separated by {SEPARATORS[separator]}"]
    if has_commas:
        remarks.append(f"Commas in the numbers of {path.name} are read as decimal points")
    return () if separator == "," else tuple(remarks)


def _describe_ambiguous(text: str) -> str:
    point, without = text.replace(",", "."), text.replace(",", "")
    return f"'{text}' may be {point} or {without}: write {point} with a point, or {without}"


def _find_wrong_cell(texts: dict[str, str], names: list[str]) -> str | None:
    """What is wrong with a cell that the schema does not see, or does not see as it is."""
    for column, text in texts.items():  # Python, and with it the schema, reads 1_0 as 10
        if column not in TEXTS and "_" in text:
            return f"{column} is '{text[:40]}', which is not a number"
    for name in names:
        x, y = f"{name}_x", f"{name}_y"
        if bool(texts[x]) != bool(texts[y]):
            empty, other = (y, x) if texts[x] else (x, y)
            return f"{empty} is empty, but {other} is not"
    return None


def _check_columns(columns: list[str], names: list[str]) -> Iterator[Problem]:
    yield from (missing_column(name) for name in ("path", "category") if name not in columns)
    known = {*TEXTS, *NUMBERS, *BOX, *(f"{n}_{axis}" for n in names for axis in "xy")}
    for column, n in Counter(columns).items():
        if column not in known:
            others = ", ".join((*TEXTS, *NUMBERS, *BOX))
            message = f"Column '{column}' is unknown: use {others}, and NAME_x with NAME_y"
            yield "line 1", message
        elif n > 1:
            yield "line 1", f"Column '{column}' occurs {n} times"


def _assign_keypoints(images: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Categories with their visible keypoints; images keep the keypoints of their category."""
    visible: dict[str, set[str]] = {}
    for image in images:
        points = image["keypoints"]
        visible.setdefault(image["category"], set()).update(k for k, p in points.items() if p)
    for image in images:
        of_category = visible[image["category"]]
        image["keypoints"] = {k: p for k, p in image["keypoints"].items() if k in of_category}
    return {
        category: {"keypoints": [n for n in names if n in of_category]}
        for category, of_category in visible.items()
    }


def _parse_image(cells: dict[str, str], names: list[str]) -> dict[str, Any]:
    image: dict[str, Any] = {"path": "", "category": ""}
    image |= {k: cells[k] for k in (*TEXTS, *NUMBERS) if cells.get(k)}
    if any(cells.get(k) for k in BOX):
        image["box"] = [cells.get(k, "") for k in BOX]
    points = {n: [cells[f"{n}_x"], cells[f"{n}_y"]] for n in names}
    image["keypoints"] = {n: p if any(p) else None for n, p in points.items()}
    return image
