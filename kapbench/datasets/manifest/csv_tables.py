"""A manifest as a table: one line an image, two columns a keypoint."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kapbench.datasets.manifest.partial import Problem

NUMBERS = ("width", "height", "azimuth_bin", "truncated", "occluded")
BOX = ("x1", "y1", "x2", "y2")
TEXTS = ("path", "category", "id", "mask")
PAIR = ["source", "target"]
Line = tuple[int, list[str]]


def from_csv(text: str, path: Path) -> tuple[dict[str, Any], list[int], list[Problem]]:
    """What a JSON manifest would hold, the line of each image, and what is wrong with the table.

    Numbers stay texts; lines that cannot be read are left out. Columns: path, category; id, width,
    height, x1, y1, x2, y2, azimuth_bin, truncated, occluded, mask where wanted; NAME_x and NAME_y for
    each keypoint, empty where it is not shown. A category has the keypoints that any of its images
    shows, in the order of the columns.
    """
    lines, found = _lines(text)
    columns = lines.pop(0)[1] if lines else []
    names = [c[:-2] for c in columns if c.endswith("_x") and f"{c[:-2]}_y" in columns]
    found += _of_columns(columns, names)
    images, numbers = [], []
    for number, cells in lines:
        if len(cells) != len(columns):
            found.append(
                (
                    f"line {number}",
                    f"a line of another length: {len(cells)} cells, {len(columns)} columns",
                )
            )
            continue
        images.append(_image(dict(zip(columns, map(str.strip, cells), strict=True)), names))
        numbers.append(number)
    categories = _named(images, names)
    return {"name": path.stem, "categories": categories, "images": images}, numbers, found


def pairs_from_csv(text: str) -> tuple[list[list[str]], list[int], list[Problem]]:
    """Source and target id of each line of a pair list, the lines' numbers, and what is wrong."""
    lines, found = _lines(text)
    if not lines or lines[0][1] != PAIR:
        return [], [], [*found, ("line 1", f"columns are {', '.join(PAIR)}")]
    pairs, numbers = [], []
    for number, cells in lines[1:]:
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            found.append((f"line {number}", "a source and a target are meant"))
            continue
        pairs.append([cell.strip() for cell in cells])
        numbers.append(number)
    return pairs, numbers, found


def _lines(text: str) -> tuple[list[Line], list[Problem]]:
    """Lines that are not empty, by their number; a cell over several counts as its last."""
    reader = csv.reader(io.StringIO(text, newline=""))
    lines: list[Line] = []
    try:
        lines.extend((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        return lines, [(f"line {reader.line_num}", f"no table from here on: {error}")]
    return lines, []


def _of_columns(columns: list[str], names: list[str]) -> Iterator[Problem]:
    for name in ("path", "category"):
        if name not in columns:
            yield "line 1", f"no column '{name}'"
    meant = {*TEXTS, *NUMBERS, *BOX, *(f"{n}_{axis}" for n in names for axis in "xy")}
    for column, n in Counter(columns).items():
        if column not in meant:
            others = ", ".join((*TEXTS, *NUMBERS, *BOX))
            yield "line 1", f"column '{column}' means nothing: {others}, and NAME_x with NAME_y do"
        elif n > 1:
            yield "line 1", f"column '{column}' stands there {n} times"


def _named(images: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Categories with the keypoints that are shown; images keep those of their own category."""
    shown: dict[str, set[str]] = {}
    for image in images:
        points = image["keypoints"]
        shown.setdefault(image["category"], set()).update(k for k, p in points.items() if p)
    for image in images:
        own = shown[image["category"]]
        image["keypoints"] = {k: p for k, p in image["keypoints"].items() if k in own}
    return {
        category: {"keypoints": [n for n in names if n in own]} for category, own in shown.items()
    }


def _image(given: dict[str, str], names: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {k: given[k] for k in (*TEXTS, *NUMBERS) if given.get(k)}
    found.setdefault("path", "")
    found.setdefault("category", "")
    if any(given.get(k) for k in BOX):
        found["box"] = [given.get(k, "") for k in BOX]
    points = {n: [given[f"{n}_x"], given[f"{n}_y"]] for n in names}
    found["keypoints"] = {n: p if any(p) else None for n, p in points.items()}
    return found
