"""Reads the text files of CUB-200-2011: each line begins with a number."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
from jaxtyping import Float

from kapbench.datasets import reading
from kapbench.errors import KapbenchError
from kapbench.types import Keypoints, View
from kapbench.untrusted.strict_text import decode_text, integer, read_bytes

PART_NAMES = (  # as parts/parts.txt has them
    "back",
    "beak",
    "belly",
    "breast",
    "crown",
    "forehead",
    "left eye",
    "left leg",
    "left wing",
    "nape",
    "right eye",
    "right leg",
    "right wing",
    "tail",
    "throat",
)
N_PARTS = len(PART_NAMES)
_NUMBERS = re.compile(rb"[0-9.eE+-]*")
_Value = TypeVar("_Value")


@dataclass
class Tables:
    """Reads each file once, when it is needed, and keeps its content.

    Raises:
        KapbenchError: a file that is missing, a line that cannot be understood, an image that
            occurs twice or not at all.
    """

    folder: Path
    fix: str  # what to do where a file is missing
    contents: dict[str, bytes] = field(default_factory=dict)

    def species(self) -> Mapping[int, str]:
        return self._names("classes.txt")

    def names(self) -> Mapping[int, str]:
        """Path of each photograph; empty where images.txt is missing."""
        if not (self.folder / "images.txt").is_file():
            return {}
        return self._names("images.txt")

    def of_split(self, split: str) -> Iterator[int]:
        """Images of `test` or `trn`."""
        flags = self._numbers("train_test_split.txt", 1)
        yield from flags[flags[:, 1] == (split == "trn"), 0].astype(int).tolist()

    def labels(self) -> Mapping[int, int]:
        return dict(self._numbers("image_class_labels.txt", 1).astype(int).tolist())

    def views(
        self, wanted: set[int], names: Mapping[int, str], labels: Mapping[int, int]
    ) -> Iterator[tuple[int, View, int]]:
        """Number, view and how many parts lie left of the image or above it, in order of numbers.

        A view has the smallest size that holds box and parts, and its number as id without `names`.
        """
        labelled, boxed, photographed = (
            self.folder / name
            for name in ("image_class_labels.txt", "bounding_boxes.txt", "images.txt")
        )
        boxes = {int(n): box for n, *box in self._numbers("bounding_boxes.txt", 4).tolist()}
        parts, species = self._parts(), self.species()
        for n in sorted(wanted):
            label = _look_up(labels, n, labelled)
            if label not in species:
                raise reading.wrong_file(
                    f"The species {label} of image {n} is not in classes.txt", labelled
                )
            x, y, width, height = _look_up(boxes, n, boxed)
            points, n_outside = parts.get(n, (NO_PARTS, 0))
            box = (x, y, x + width, y + height)
            reading.check_box(box, f"{boxed}, image {n}")
            name = _look_up(names, n, photographed) if names else f"{n:05d}"
            image_id = name.removesuffix(".jpg")
            size = reading.smallest_size(box, points)
            yield n, View(image_id, species[label], size, box, points), n_outside

    def _parts(self) -> Mapping[int, tuple[Keypoints, int]]:
        path = self.folder / "parts/part_locs.txt"
        table = self._numbers("parts/part_locs.txt", 4, keys=2)
        wrong = np.flatnonzero(~np.isin(table[:, 1], np.arange(1, N_PARTS + 1)))
        if len(wrong):
            raise KapbenchError(
                f"There is no part {table[wrong[0], 1]:g}",
                place=f"{path}, line {wrong[0] + 1}",
                fix=f"Use parts 1 to {N_PARTS}",
            )
        numbers, rows = np.unique(table[:, 0].astype(int), return_inverse=True)
        parts = np.zeros((len(numbers), N_PARTS, 3))
        parts[rows, table[:, 1].astype(int) - 1] = table[:, 2:]
        return {
            n: reading.drop_outside(reading.make_keypoints(values[:, :2], values[:, 2] == 1))
            for n, values in zip(numbers.tolist(), parts, strict=True)
        }

    def _names(self, name: str) -> dict[int, str]:
        """The name behind each line's number."""
        path = self.folder / name
        self.contents[name] = read_bytes(path, self.fix)
        names, numbers = dict[int, str](), dict[str, int]()
        lines = decode_text(self.contents[name], path, self.fix).splitlines()
        for i, line in enumerate(lines, start=1):
            place, (first, *words) = f"{path}, line {i}", line.split() or [""]
            number = integer(first)
            if len(words) != 1 or number is None:
                raise reading.wrong_file(f"'{line[:40]}' is not a number and a name", place)
            if number in names or words[0] in numbers:
                raise reading.wrong_line(
                    f"An earlier line has the same number or name as '{line[:40]}'", place
                )
            names[number], numbers[words[0]] = words[0], number
        return names

    def _numbers(self, name: str, n_values: int, keys: int = 1) -> Float[np.ndarray, "n columns"]:
        """Each line's numbers; the first `keys` of them identify the line."""
        path = self.folder / name
        content = self.contents[name] = read_bytes(path, self.fix)
        rows = [line.split() for line in content.splitlines()]
        table = _parse_table(rows, n_values)
        if table is None:
            _raise_wrong_line(rows, n_values, path)
        first = np.unique(table[:, :keys], axis=0, return_index=True)[1]
        if len(first) < len(table):
            repeated = min(set(range(len(table))) - set(first.tolist()))
            key = " ".join(f"{number:g}" for number in table[repeated, :keys])
            raise KapbenchError(
                f"An earlier line also begins with {key}",
                place=f"{path}, line {repeated + 1}",
                fix="Remove one of the two lines",
            )
        return table


NO_PARTS = reading.make_keypoints(np.zeros((N_PARTS, 2)), np.zeros(N_PARTS, bool))


def _parse_table(rows: list[list[bytes]], n_values: int) -> Float[np.ndarray, "n columns"] | None:
    """All lines as numbers; None where one is not a number followed by `n_values` values."""
    if not rows or {len(row) for row in rows} != {1 + n_values}:
        return None
    words = list(itertools.chain.from_iterable(rows))
    if not _NUMBERS.fullmatch(b"".join(words)):  # float() reads 1_0 as 10
        return None
    try:
        table = np.fromiter(map(float, words), np.float64).reshape(len(rows), -1)
    except ValueError:
        return None
    numbered = (np.abs(table) <= reading.MAX_PX).all()
    return table if numbered and (table[:, 0] == table[:, 0].round()).all() else None


def _raise_wrong_line(rows: list[list[bytes]], n_values: int, path: Path) -> NoReturn:
    for i, row in enumerate(rows, start=1):
        place, words = f"{path}, line {i}", [word.decode("utf-8", "replace") for word in row]
        if len(words) != 1 + n_values or integer(words[0]) is None:
            raise reading.wrong_file(
                f"'{' '.join(words)[:40]}' is not a number followed by {n_values} values", place
            )
        reading.parse_numbers(words[1:], place)
    raise reading.wrong_file("The file is empty", path)


def _look_up(table: Mapping[int, _Value], n: int, path: Path) -> _Value:
    if n not in table:
        raise reading.wrong_file(f"There is no line of image {n}", path)
    return table[n]
