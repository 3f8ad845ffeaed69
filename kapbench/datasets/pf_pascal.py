"""PF-PASCAL (Ham et al. 2018): 299 test pairs; points in a frame whose longer side is 300 px."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets import annotations as read
from kapbench.datasets.images import image_size
from kapbench.datasets.listed import Listed
from kapbench.datasets.roots import data_root
from kapbench.datasets.sources import SOURCES
from kapbench.errors import KapbenchError
from kapbench.types import Keypoints, Pair, View

NAME, FRAME_PX = "pf-pascal", 300.0
SOURCE = SOURCES[NAME]
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
# Below the data root, or below a folder PF-PASCAL in it; photographs are named from there.
LISTS = ("image_pairs/test_pairs.csv", f"{SOURCE.folder}/test_pairs_pf_pascal.csv")
COLUMNS = ("source_image", "target_image", "class", "XA", "YA", "XB", "YB")
FIX = read.get_it(NAME, SOURCE.folder)


def pf_pascal(
    split: str = "test", root: str | Path | None = None, photographs: bool = True
) -> Listed:
    """PF-PASCAL's test list; T is the longer side of the target image.

    Args:
        split: test. The lists of the other splits hold no points.
        root: The data root that holds the folder PF-dataset-PASCAL, its list in it, or PF-PASCAL
            with both; or one of those folders.
        photographs: Whether pairs without photographs are left out; without, all are there, and
            every image is taken to be a square of the lists' frame.

    Raises:
        KapbenchError: another split, no list, or a line that cannot be understood.
    """
    read.choose("split", split, ("test",), NAME)
    base = data_root(root)
    bases = (base / "PF-PASCAL", base, base.parent)
    tried = [(folder, folder / name) for folder in bases for name in LISTS]
    folder, path = next((t for t in tried if t[1].is_file()), (base, base / LISTS[1]))
    content = read.read_bytes(path, FIX)
    lines = list(_lines(read.read_text(path, FIX), path))
    named: dict[tuple[str, str], str] = {}
    pairs, paths = [], {}
    for number, line in lines:
        views = []
        for side in "AB":
            name = line["source_image" if side == "A" else "target_image"]
            photograph = folder / name
            if photographs and not photograph.is_file():
                break
            image_id = _image_id(name, line[f"X{side}"] + line[f"Y{side}"], named)
            paths[image_id] = photograph
            size = image_size(photograph) if photographs else (int(FRAME_PX), int(FRAME_PX))
            views.append(_view(image_id, line, side, size, f"{path}, line {number}"))
        if len(views) == 2:
            pairs.append(_pair(f"{number - 2:03d}", views, f"{path}, line {number}"))
    if not pairs:
        raise KapbenchError("no photograph of the list is here", place=folder, fix=FIX)
    return Listed(
        NAME, split, read.revision([content, str(photographs)]), SOURCE.licence, SOURCE.citation,
        pairs, paths if photographs else {}, size_from="image", has_absent=False,
        expected=tuple(sorted({_category(line, path) for _, line in lines})),
        n_expected=len(lines),
    )  # fmt: skip


def _lines(text: str, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    table = csv.DictReader(text.splitlines())
    missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
    if missing:
        raise KapbenchError(f"no column '{missing[0]}'", place=path, fix=FIX)
    for number, line in enumerate(table, start=2):
        if None in line.values() or None in line:
            raise KapbenchError(
                "a line of another length", place=f"{path}, line {number}", fix="mend the line"
            )
        yield number, line


def _image_id(name: str, points: str, named: dict[tuple[str, str], str]) -> str:
    """The photograph's name; one that has other points in another pair is told apart by #2, …"""
    stem = Path(name).stem
    if (stem, points) not in named:
        n = 1 + sum(known == stem for known, _ in named)
        named[stem, points] = stem if n == 1 else f"{stem}#{n}"
    return named[stem, points]


def _view(
    image_id: str, line: dict[str, str], side: str, size: tuple[int, int], place: str
) -> View:
    x, y = (
        read.numbers(line[f"{axis}{side}"].split(";"), f"{place}, column {axis}{side}")
        for axis in "XY"
    )
    if len(x) != len(y):
        raise KapbenchError(
            f"{len(x)} x and {len(y)} y of image {side}", place=place, fix="mend the line"
        )
    xy: Float[np.ndarray, "K 2"] = np.stack([x, y], axis=1) * (max(size) / FRAME_PX)
    if (xy < 0).any() or (xy > np.array(size)).any():
        raise KapbenchError(
            f"a point of image {side} outside its {size[0]}×{size[1]} px", place=place,
            fix="are the photographs those of the list? Its points are in a frame of 300 px",
        )  # fmt: skip
    points: Keypoints = read.keypoints(xy, np.ones(len(xy), bool))
    return View(image_id, _category(line, place), size, read.box_around(points), points)


def _category(line: dict[str, str], place: object) -> str:
    number = line["class"]
    if not number.isdecimal() or not 1 <= int(number) <= len(CLASSES):
        raise KapbenchError(f"class '{number}'", place=place, fix="a number from 1 to 20")
    return CLASSES[int(number) - 1]


def _pair(pair_id: str, views: Sequence[View], place: str) -> Pair:
    source, target = views
    n = len(source.keypoints.visible)
    if len(target.keypoints.visible) != n:
        raise KapbenchError(
            f"{n} points of image A, {len(target.keypoints.visible)} of B", place=place,
            fix="mend the line",
        )  # fmt: skip
    return Pair(pair_id, source, target, float(max(target.size)), np.full(n, -1), np.arange(n))
