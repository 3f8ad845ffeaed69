"""PF-PASCAL (Ham et al. 2018): 299 test pairs; points in a frame whose longer side is 300 px."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets import reading as read
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import Listed
from kapbench.datasets.proposal_flow.pf_pascal_mat import Annotations
from kapbench.errors import KapbenchError
from kapbench.paths import data_root
from kapbench.types import Keypoints, Pair, View

NAME, FRAME_PX = "pf-pascal", 300.0
SOURCE = SOURCES[NAME]
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
# Of each split, below the data root, or below a folder PF-PASCAL in it; photographs are named there.
LISTS = {
    split: (f"image_pairs/{word}_pairs.csv", f"{SOURCE.folder}/{word}_pairs_pf_pascal.csv")
    for split, word in (("test", "test"), ("val", "val"), ("trn", "train"))
}
COLUMNS = ("source_image", "target_image", "class")
POINTS = ("XA", "YA", "XB", "YB")
FIX = read.get_it(NAME, SOURCE.folder)
_Two = tuple[Float[np.ndarray, "K 2"], Float[np.ndarray, "K 2"]]


def pf_pascal(
    split: str = "test", root: str | Path | None = None, photographs: bool = True
) -> Listed:
    """PF-PASCAL's lists; T is the longer side of the target image.

    Args:
        split: test, val or trn. A list without points takes those of the data set's Annotations.
        root: The data root that holds the folder PF-dataset-PASCAL, its lists in it, or PF-PASCAL
            with both; or one of those folders.
        photographs: Whether pairs without photographs are left out; without, all are there, and
            every image is taken to be a square of the lists' frame.

    Raises:
        KapbenchError: another split, no list, or a line that cannot be understood.
    """
    read.choose("split", split, tuple(LISTS), NAME)
    folder, path = _found(split, data_root(root))
    content = read.read_bytes(path, _where(split, path))
    lines = _lines(content, path)
    annotations = Annotations(folder / SOURCE.folder, split, FIX)
    reader, pairs = _Reader(folder, annotations, photographs), []
    for number, line in lines:
        pair = reader.pair(f"{number - 2:03d}", line, f"{path}, line {number}")
        if pair is not None:
            pairs.append(pair)
    if not pairs:
        raise KapbenchError("no photograph of the list is here", place=folder, fix=FIX)
    seen = read.seen(view for pair in pairs for view in (pair.source, pair.target))
    contents: list[bytes | str] = [content, str(photographs), *annotations.contents.values()]
    return Listed(
        NAME, split, read.revision([*contents, *seen]), SOURCE.licence, SOURCE.citation, pairs,
        reader.paths, size_from="image", has_absent=False,
        expected=tuple(sorted({_category(line, path) for _, line in lines})),
        n_expected=len(lines), mirrored=frozenset(reader.mirrored),
    )  # fmt: skip


def _found(split: str, base: Path) -> tuple[Path, Path]:
    """Folder from which photographs are named, and the list."""
    bases = (base / "PF-PASCAL", base, base.parent)
    tried = [(folder, folder / name) for folder in bases for name in LISTS[split]]
    return next((t for t in tried if t[1].is_file()), (base, base / LISTS[split][1]))


def _where(split: str, path: Path) -> str:
    """How to come by a list."""
    by_hand = {name: address for address, name in SOURCE.by_hand}
    address = by_hand.get(path.name)
    return FIX if address is None else f"get the list of {split} from {address} and put it there"


def _lines(content: bytes, path: Path) -> list[tuple[int, dict[str, str]]]:
    """Number and fields by column of each line; points are those of the list, or it has flips."""
    (_, columns), *lines = list(read.read_table(content, path, FIX)) or [(1, [])]
    wanted = (*COLUMNS, *(() if "flip" in columns and "XA" not in columns else POINTS))
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise KapbenchError(f"no column '{missing[0]}'", place=path, fix=read.MEND)
    for number, words in lines:
        if len(words) != len(columns):
            raise KapbenchError(
                "a line of another length", place=f"{path}, line {number}", fix="mend the line"
            )
    return [(number, dict(zip(columns, words, strict=True))) for number, words in lines]


@dataclass
class _Reader:
    """Pairs of lines, and what becomes known of their images."""

    folder: Path
    annotations: Annotations
    photographs: bool
    paths: dict[str, Path] = field(default_factory=dict)
    mirrored: set[str] = field(default_factory=set)
    _sizes: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _named: dict[tuple[str, str], str] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)

    def pair(self, pair_id: str, line: dict[str, str], place: str) -> Pair | None:
        """None where a photograph is not here, or the images share no point."""
        names = line["source_image"], line["target_image"]
        files = [self.folder / name for name in names]
        if self.photographs and not all(file in self._sizes or file.is_file() for file in files):
            return None
        flip = _flip(line, place)
        if "XA" in line:
            given: _Two = (_points(line, "A", place), _points(line, "B", place))
        else:
            given = self.annotations.shared(_category(line, place), names, place)
        if len(given[0]) != len(given[1]):
            raise KapbenchError(
                f"{len(given[0])} points of image A, {len(given[1])} of B", place=place,
                fix="mend the line",
            )  # fmt: skip
        if not len(given[0]):
            return None
        source, target = (
            self._view(file, line, points, flip, place)
            for file, points in zip(files, given, strict=True)
        )
        n = len(given[0])
        return Pair(pair_id, source, target, float(max(target.size)), np.full(n, -1), np.arange(n))

    def _view(
        self, file: Path, line: dict[str, str], points: Float[np.ndarray, "K 2"], flip: bool,
        place: str,
    ) -> View:  # fmt: skip
        size = self._size(file)
        xy = points * (max(size) / FRAME_PX) if "XA" in line else points.copy()
        if (xy < 0).any() or (xy > np.array(size)).any():
            raise KapbenchError(
                f"a point of {file.name} outside its {size[0]}×{size[1]} px", place=place,
                fix="are the photographs those of the list? Its points are in a frame of 300 px",
            )  # fmt: skip
        if flip:
            xy[:, 0] = size[0] - xy[:, 0]
        shown: Keypoints = read.keypoints(xy, np.ones(len(xy), bool))
        image_id = self._image_id(file.stem, f"{line['class']} {points.tolist()} {flip}")
        if self.photographs:
            self.paths[image_id] = file
        if flip:
            self.mirrored.add(image_id)
        return View(image_id, _category(line, place), size, read.box_around(shown), shown)

    def _size(self, file: Path) -> tuple[int, int]:
        if not self.photographs:
            return int(FRAME_PX), int(FRAME_PX)
        if file not in self._sizes:
            self._sizes[file] = image_size(file)
        return self._sizes[file]

    def _image_id(self, stem: str, points: str) -> str:
        """The photograph's name; one with other points in another pair is told apart by #2, …"""
        if (stem, points) not in self._named:
            self._times[stem] += 1
            n = self._times[stem]
            self._named[stem, points] = stem if n == 1 else f"{stem}#{n}"
        return self._named[stem, points]


def _flip(line: dict[str, str], place: str) -> bool:
    """Whether both images are shown left for right."""
    if line.get("flip", "0") not in ("0", "1"):
        raise KapbenchError(f"flip '{line['flip']}'", place=place, fix="0 or 1")
    return line.get("flip") == "1"


def _points(line: dict[str, str], side: str, place: str) -> Float[np.ndarray, "K 2"]:
    """In the list's frame."""
    x, y = (
        read.numbers(line[f"{axis}{side}"].split(";"), f"{place}, column {axis}{side}")
        for axis in "XY"
    )
    if len(x) != len(y):
        raise KapbenchError(
            f"{len(x)} x and {len(y)} y of image {side}", place=place, fix="mend the line"
        )
    return np.stack([x, y], axis=1)


def _category(line: dict[str, str], place: object) -> str:
    number = line["class"]
    if not number.isdecimal() or not 1 <= int(number) <= len(CLASSES):
        raise KapbenchError(f"class '{number}'", place=place, fix="a number from 1 to 20")
    return CLASSES[int(number) - 1]
