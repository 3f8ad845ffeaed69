"""A manifest as a table: one line an image, two columns a keypoint."""

import csv
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError

NUMBERS = ("width", "height", "azimuth_bin")
BOX = ("x1", "y1", "x2", "y2")
TEXTS = ("path", "category", "id", "mask")


def from_csv(text: str, path: Path) -> dict[str, Any]:
    """What a JSON manifest would hold; numbers stay texts where they are none.

    Columns: path, category; id, width, height, x1, y1, x2, y2, azimuth_bin, mask where wanted; NAME_x
    and NAME_y for each keypoint, empty where it is not shown. A category has the keypoints that any
    of its images shows, in the order of the columns.

    Raises:
        KapbenchError: no table, or a column that means nothing.
    """
    table = csv.DictReader(text.splitlines())
    columns = list(table.fieldnames or ())
    for name in ("path", "category"):
        if name not in columns:
            raise KapbenchError(
                f"no column '{name}'", place=path, fix="see docs/datasets/manifest.md"
            )
    names = [c[:-2] for c in columns if c.endswith("_x") and f"{c[:-2]}_y" in columns]
    meant = {*TEXTS, *NUMBERS, *BOX, *(f"{n}_{axis}" for n in names for axis in "xy")}
    strange = [c for c in columns if c not in meant]
    if strange:
        raise KapbenchError(
            f"column '{strange[0]}' means nothing", place=path,
            fix=f"keypoints have two, NAME_x and NAME_y; others are {', '.join(sorted(meant))}",
        )  # fmt: skip
    images = [_image(line, names, i, path) for i, line in enumerate(table, start=2)]
    shown: dict[str, set[str]] = {}
    for image in images:
        points = image["keypoints"]
        shown.setdefault(image["category"], set()).update(k for k, p in points.items() if p)
    for image in images:
        own = shown[image["category"]]
        image["keypoints"] = {k: p for k, p in image["keypoints"].items() if k in own}
    categories = {
        category: {"keypoints": [n for n in names if n in own]} for category, own in shown.items()
    }
    return {"name": path.stem, "categories": categories, "images": images}


def _image(line: dict[str, Any], names: list[str], number: int, path: Path) -> dict[str, Any]:
    if None in line or None in line.values():
        raise KapbenchError(
            "a line of another length", place=f"{path}, line {number}", fix="mend the line"
        )
    given = {k: v.strip() for k, v in line.items()}
    found: dict[str, Any] = {k: given[k] for k in TEXTS if given.get(k)}
    found |= {k: given[k] for k in NUMBERS if given.get(k)}
    found.setdefault("path", "")
    found.setdefault("category", "")
    if any(given.get(k) for k in BOX):
        found["box"] = [given.get(k, "") for k in BOX]
    points = {n: [given[f"{n}_x"], given[f"{n}_y"]] for n in names}
    found["keypoints"] = {n: p if any(p) else None for n, p in points.items()}
    return found
