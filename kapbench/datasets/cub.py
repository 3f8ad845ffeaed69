"""CUB-200-2011 (Wah et al. 2011): 200 species of birds, 15 parts."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kapbench.datasets import annotations as read
from kapbench.datasets.images import image_size
from kapbench.datasets.listed import Listed
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.sources import SOURCES
from kapbench.datasets.symmetry import read_override, symmetry
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View

NAME, N_PARTS = "cub", 15
SOURCE = SOURCES[NAME]
SPLITS = ("test", "trn", "all")
PAIRS = 20
FIX = read.get_it(NAME, SOURCE.folder)


def cub(
    split: str = "test",
    root: str | Path | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
    photographs: bool = True,
    symmetry_file: str | None = None,
) -> Listed:
    """CUB-200-2011 by our own pairs: `pairs` a species, drawn with `seed`, one shared part at least.

    T is the longer side of the target's box.

    Args:
        split: test or trn by train_test_split.txt, or all.
        root: The data root that holds the folder CUB_200_2011, or that folder.
        photographs: Whether images without photographs are left out; without, all are there, and
            an image is the smallest that holds its box and parts. Ids are numbers then.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/manifest.md.

    Raises:
        KapbenchError: another split, a file that is missing or cannot be understood.
    """
    read.choose("split", split, SPLITS, NAME)
    folder = read.folder_of(root, SOURCE.folder)
    rule = PairRule(n=pairs, seed=seed)
    tables = _Tables(folder, photographs)
    wanted = tables.of_split(split)
    groups, twins = (
        symmetry("bird", "cub") if symmetry_file is None
        else read_override(symmetry_file, "bird", N_PARTS)
    )  # fmt: skip
    views: dict[str, list[View]] = {}
    paths = {}
    for view, path in tables.views(wanted):
        views.setdefault(view.category, []).append(view)
        if path is not None:
            paths[view.image_id] = path
    found = [
        Pair(_pair_id(s, t), s, t, read.longer_side(t.bbox), groups, twins)
        for category in sorted(views)
        for s, t in rule.draw(views[category])
    ]
    if not found:
        raise KapbenchError("no photograph of CUB-200-2011 is here", place=folder, fix=FIX)
    said = (repr(rule), split, str(photographs), groups.tobytes(), twins.tobytes())
    return Listed(
        NAME, split, read.revision([*tables.read.values(), *said]), SOURCE.licence,
        SOURCE.citation, found, paths, expected=tuple(sorted(tables.species.values())),
        more_views=[view for of in views.values() for view in of],
        n_expected=None if not photographs or len(paths) == len(wanted) else pairs * 200,
    )  # fmt: skip


@dataclass
class _Tables:
    """The text files, each line beginning with an image's number."""

    folder: Path
    photographs: bool

    def __post_init__(self) -> None:
        self.read: dict[str, bytes] = {}
        self.species = {
            n: words[0] for n, words in self._lines("classes.txt", 1, lambda words, _: words)
        }

    def of_split(self, split: str) -> set[int]:
        numbers = {n for n, _ in self._lines("image_class_labels.txt", 1, _number)}
        if split == "all":
            return numbers
        kind = float(split == "trn")
        marked = self._lines("train_test_split.txt", 1, _number)
        return {n for n, (training,) in marked if training == kind}

    def views(self, wanted: set[int]) -> Iterator[tuple[View, Path | None]]:
        """In order of their numbers."""
        boxes = dict(self._lines("bounding_boxes.txt", 4, _number))
        labels = dict(self._lines("image_class_labels.txt", 1, _number))
        parts: dict[int, np.ndarray] = {n: np.zeros((N_PARTS, 3)) for n in wanted}
        for n, (part, x, y, visible) in self._lines("parts/part_locs.txt", 4, _number):
            if n in parts:
                parts[n][self._part(part)] = x, y, visible
        named = self._names()
        for n in sorted(wanted):
            path = self.folder / "images" / named[n] if n in named else None
            if self.photographs and (path is None or not path.is_file()):
                continue
            x, y, width, height = self._known(boxes, n, "bounding_boxes.txt")
            (label,) = self._known(labels, n, "image_class_labels.txt")
            points = read.keypoints(parts[n][:, :2], parts[n][:, 2] == 1)
            box = (x, y, x + width, y + height)
            here = self.photographs and path is not None
            size = image_size(path) if here and path else read.holding(box, points)
            image_id = str(Path(named[n]).with_suffix("")) if here else f"{n:05d}"
            yield View(image_id, self.species[int(label)], size, box, points), path

    def _names(self) -> Mapping[int, str]:
        if not self.photographs:
            return {}
        return {n: words[0] for n, words in self._lines("images.txt", 1, lambda words, _: words)}

    def _part(self, number: float) -> int:
        if number not in range(1, N_PARTS + 1):
            raise KapbenchError(
                f"part {number:g}", place=self.folder / "parts/part_locs.txt", fix="1 to 15"
            )
        return int(number) - 1

    def _known(self, table: Mapping[int, list[float]], n: int, name: str) -> list[float]:
        if n not in table:
            raise KapbenchError(f"no line of image {n}", place=self.folder / name, fix=FIX)
        return table[n]

    def _lines(
        self, name: str, n_values: int, convert: Callable[[list[str], str], list[Any]]
    ) -> Iterator[tuple[int, list[Any]]]:
        """Number and values of each line."""
        path = self.folder / name
        self.read[name] = read.read_bytes(path, FIX)
        for i, line in enumerate(self.read[name].decode("utf-8", "replace").splitlines(), start=1):
            number, *words = line.split()
            place = f"{path}, line {i}"
            if len(words) != n_values or not number.isdecimal():
                raise KapbenchError(
                    f"'{line[:40]}' is no number and {n_values} values", place=place, fix=FIX
                )
            yield int(number), convert(words, place)


def _number(words: list[str], place: str) -> list[float]:
    try:
        found = [float(w) for w in words]  # 177,000 lines: numbers() would take seconds
    except ValueError:
        found = []
    if not found or not all(map(math.isfinite, found)):
        return list(read.numbers(words, place))
    return found


def _pair_id(source: View, target: View) -> str:
    return f"{source.image_id}>{Path(target.image_id).name}"
