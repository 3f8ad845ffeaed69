"""The text files of CUB-200-2011: each line begins with an image's number."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
from jaxtyping import Float

from kapbench.datasets import reading as read
from kapbench.errors import KapbenchError
from kapbench.types import Keypoints, View

N_PARTS = 15
_Value = TypeVar("_Value")


@dataclass
class Tables:
    """Files are read once each, when they are asked for; `contents` are those that were.

    Raises:
        KapbenchError: a file that is missing, a line that cannot be understood, an image that
            stands twice or not at all.
    """

    folder: Path
    fix: str  # where a file is missing
    contents: dict[str, bytes] = field(default_factory=dict)

    def species(self) -> Mapping[int, str]:
        return {n: words[0] for n, words in self._words("classes.txt")}

    def names(self) -> Mapping[int, str]:
        """Path of each photograph; none where the list of them is not here."""
        if not (self.folder / "images.txt").is_file():
            return {}
        return {n: words[0] for n, words in self._words("images.txt")}

    def of_split(self, split: str) -> Iterator[int]:
        """Images of `test` or `trn`."""
        marked = self._numbers("train_test_split.txt", 1)
        yield from marked[marked[:, 1] == (split == "trn"), 0].astype(int).tolist()

    def labels(self) -> Mapping[int, int]:
        found = self._numbers("image_class_labels.txt", 1).astype(int)
        return dict(found.tolist())

    def views(
        self, wanted: set[int], names: Mapping[int, str], labels: Mapping[int, int]
    ) -> Iterator[tuple[int, View, int]]:
        """Number, view and how many parts lie left of or above the image, in order of numbers.

        The image is the smallest that holds box and parts. Ids are numbers where there are no names.
        """
        labelled, boxed, photographed = (
            self.folder / name
            for name in ("image_class_labels.txt", "bounding_boxes.txt", "images.txt")
        )
        boxes = {int(n): box for n, *box in self._numbers("bounding_boxes.txt", 4).tolist()}
        parts, species = self._parts(), self.species()
        for n in sorted(wanted):
            label = _of(labels, n, labelled)
            if label not in species:
                raise KapbenchError(
                    f"image {n} is of species {label}, which is not in classes.txt",
                    place=labelled, fix=read.MEND,
                )  # fmt: skip
            x, y, width, height = _of(boxes, n, boxed)
            if not (width > 0 and height > 0):
                raise KapbenchError(
                    f"box of {width:g}×{height:g} px of image {n} has no area",
                    place=boxed, fix=read.MEND,
                )  # fmt: skip
            points, n_outside = parts.get(n, (_NOTHING, 0))
            box = (x, y, x + width, y + height)
            name = _of(names, n, photographed) if names else f"{n:05d}"
            image_id = name.removesuffix(".jpg")
            size = read.holding(box, points)
            yield n, View(image_id, species[label], size, box, points), n_outside

    def _parts(self) -> Mapping[int, tuple[Keypoints, int]]:
        path = self.folder / "parts/part_locs.txt"
        table = self._numbers("parts/part_locs.txt", 4, keys=2)
        wrong = np.flatnonzero(~np.isin(table[:, 1], np.arange(1, N_PARTS + 1)))
        if len(wrong):
            raise KapbenchError(
                f"part {table[wrong[0], 1]:g}", place=f"{path}, line {wrong[0] + 1}", fix="1 to 15"
            )
        numbers, rows = np.unique(table[:, 0].astype(int), return_inverse=True)
        placed = np.zeros((len(numbers), N_PARTS, 3))
        placed[rows, table[:, 1].astype(int) - 1] = table[:, 2:]
        return {
            n: read.inside(read.keypoints(of[:, :2], of[:, 2] == 1))
            for n, of in zip(numbers.tolist(), placed, strict=True)
        }

    def _words(self, name: str) -> list[tuple[int, list[str]]]:
        path = self.folder / name
        self.contents[name] = read.read_bytes(path, self.fix)
        found = []
        lines = self.contents[name].decode("utf-8", "replace").splitlines()
        for i, line in enumerate(lines, start=1):
            number, *words = line.split() or [""]
            if len(words) != 1 or not number.isdecimal():
                raise KapbenchError(
                    f"'{line[:40]}' is no number and a name",
                    place=f"{path}, line {i}",
                    fix=read.MEND,
                )
            found.append((int(number), words))
        return found

    def _numbers(self, name: str, n_values: int, keys: int = 1) -> Float[np.ndarray, "n columns"]:
        """Each line's numbers; the first `keys` of them are those of no other line."""
        path = self.folder / name
        content = self.contents[name] = read.read_bytes(path, self.fix)
        rows = [line.split() for line in content.splitlines()]
        table = _at_once(rows, n_values)
        if table is None:
            _name_the_wrong(rows, n_values, path)
        first, times = np.unique(table[:, :keys], axis=0, return_index=True)[1], len(table)
        if len(first) < times:
            again = min(set(range(times)) - set(first.tolist()))
            said = " ".join(f"{number:g}" for number in table[again, :keys])
            raise KapbenchError(
                f"{said} stands twice", place=f"{path}, line {again + 1}", fix="take one line out"
            )
        return table


_NOTHING = read.keypoints(np.zeros((N_PARTS, 2)), np.zeros(N_PARTS, bool))


def _at_once(rows: list[list[bytes]], n_values: int) -> Float[np.ndarray, "n columns"] | None:
    """All lines as numbers; None where one is not of `n_values` behind an image's number."""
    if not rows or {len(row) for row in rows} != {1 + n_values}:
        return None
    words = itertools.chain.from_iterable(rows)
    try:
        table = np.fromiter(map(float, words), np.float64).reshape(len(rows), -1)
    except ValueError:
        return None
    numbered = np.isfinite(table).all() and (table[:, 0] == table[:, 0].round()).all()
    return table if numbered else None


def _name_the_wrong(rows: list[list[bytes]], n_values: int, path: Path) -> NoReturn:
    for i, row in enumerate(rows, start=1):
        place, words = f"{path}, line {i}", [word.decode("utf-8", "replace") for word in row]
        if len(words) != 1 + n_values or not words[0].isdecimal():
            raise KapbenchError(
                f"'{' '.join(words)[:40]}' is no number and {n_values} values", place=place,
                fix=read.MEND,
            )  # fmt: skip
        read.numbers(words[1:], place)
    raise KapbenchError("a table without lines", place=path, fix=read.MEND)


def _of(table: Mapping[int, _Value], n: int, path: Path) -> _Value:
    if n not in table:
        raise KapbenchError(f"no line of image {n}", place=path, fix=read.MEND)
    return table[n]
