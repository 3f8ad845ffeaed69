"""PF-PASCAL (Ham et al. 2018): 299 test pairs; points in a frame whose longer side is 300 px."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import PairList
from kapbench.datasets.proposal_flow.pf_pascal_mat import Annotations
from kapbench.datasets.proposal_flow.point_columns import COLUMNS, POINTS, parse_points
from kapbench.datasets.symmetry import stand_alone
from kapbench.errors import KapbenchError
from kapbench.paths import data_root
from kapbench.types import Pair, View
from kapbench.untrusted.regular_files import is_file
from kapbench.untrusted.strict_text import integer, parse_csv, read_bytes

NAME, FRAME_PX = "pf-pascal", 300.0
SOURCE = SOURCES[NAME]
_CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
)
CLASSES = _CLASSES.split()
# Lists of each split, below the data root or its folder PF-PASCAL; photographs are named from there.
LISTS = {
    split: (f"image_pairs/{word}_pairs.csv", f"{SOURCE.folder}/{word}_pairs_pf_pascal.csv")
    for split, word in (("test", "test"), ("val", "val"), ("trn", "train"))
}
HPF = "PF-PASCAL"  # the folder of HPF, CHM and CATs: lists, JPEGImages and Annotations
FIX = reading.fetch_hint(NAME, SOURCE.folder)
Points = Float[np.ndarray, "K 2"]
_Two = tuple[Points, Points]


def pf_pascal(
    split: str = "test", root: str | Path | None = None, photographs: bool = True
) -> PairList:
    """PF-PASCAL's lists; T is the longer side of the target image.

    Args:
        split: test, val or trn. For a list without keypoints, those of the folder Annotations are used.
        root: The data root that holds the folder PF-dataset-PASCAL, its lists in it, or PF-PASCAL
            with both; or one of those folders. Also PF-PASCAL as HPF, CHM and CATs have it, with
            test_pairs.csv, JPEGImages and Annotations, whose keypoints are then used.
        photographs: Whether pairs without photographs are left out. False keeps all pairs; an
            image is then a square of 300 px, the lists' frame.

    Raises:
        KapbenchError: another split, a missing list, or a line that cannot be understood.
    """
    reading.check_choice("split", split, tuple(LISTS), NAME)
    layout = _find_list(split, root)
    folder, path = layout.folder, layout.list
    content = read_bytes(path, _list_fix(split, path))
    lines = _parse_lines(content, path, annotated=layout.is_hpf)
    annotations = Annotations(folder if layout.is_hpf else folder / SOURCE.folder, split, FIX)
    reader, pairs = _Reader(layout, annotations, photographs), []
    for number, line in lines:
        pair = reader.pair(f"{number - 2:03d}", line, f"{path}, line {number}")
        if pair is not None:
            pairs.append(pair)
    if not pairs:
        raise KapbenchError("There is no photograph of the list's images", place=folder, fix=FIX)
    sizes = reading.list_sizes(view for pair in pairs for view in (pair.source, pair.target))
    contents: list[bytes | str] = [content, str(photographs), *annotations.contents.values()]
    return PairList(
        NAME,
        split,
        reading.hash_revision([*contents, *sizes]),
        *SOURCE.terms,
        pairs,
        reader.paths,
        size_from="image",
        has_absent=False,
        expected=tuple(sorted({_name_class(line, path) for _, line in lines})),
        n_expected=len(lines),
        mirrored=frozenset(reader.mirrored),
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the list is, and the folder from which it names photographs."""

    folder: Path
    list: Path
    is_hpf: bool = False

    def photograph(self, name: str) -> Path:
        """In HPF's layout, whatever folder the list names."""
        return self.folder / "JPEGImages" / Path(name).name if self.is_hpf else self.folder / name


def _find_list(split: str, root: str | Path | None) -> _Layout:
    base, hpf = data_root(root), reading.find_folder(root, HPF)
    bases = (base / HPF, base, base.parent)
    candidates = [_Layout(folder, folder / name) for folder in bases for name in LISTS[split]]
    candidates.append(_Layout(hpf, hpf / f"{split}_pairs.csv", is_hpf=True))
    return next((c for c in candidates if is_file(c.list)), _Layout(base, base / LISTS[split][1]))


def _list_fix(split: str, path: Path) -> str:
    """What to do where a list is missing."""
    by_hand = {name: address for address, name in SOURCE.by_hand}
    address = by_hand.get(path.name)
    return (
        FIX if address is None else f"Download the list of {split} from {address} and put it there"
    )


def _parse_lines(
    content: bytes, path: Path, *, annotated: bool
) -> list[tuple[int, dict[str, str]]]:
    """Number, and fields by column, of each line; a list without points has a column flip.

    Args:
        annotated: Whether points are those of annotations, even if the list has some.
    """
    (_, columns), *lines = list(parse_csv(content, path, FIX, reading.AS_PUBLISHED)) or [(1, [])]
    without_points = annotated or ("flip" in columns and "XA" not in columns)
    wanted = (*COLUMNS, *(() if without_points else POINTS))
    missing = [name for name in wanted if name not in columns]
    if len(set(columns)) < len(columns):
        raise reading.wrong_file("A column occurs twice", f"{path}, line 1")
    if missing:
        raise reading.wrong_file(f"Column '{missing[0]}' is missing", path)
    for number, words in lines:
        if len(words) != len(columns):
            raise reading.wrong_line(
                f"The line has {len(words)} fields, the header {len(columns)}",
                f"{path}, line {number}",
            )
    named = [(number, dict(zip(columns, words, strict=True))) for number, words in lines]
    if annotated:
        named = [(n, {k: v for k, v in line.items() if k not in POINTS}) for n, line in named]
    return named


@dataclass
class _Reader:
    """Makes the pairs of the lines, and collects what is known of their images."""

    layout: _Layout
    annotations: Annotations
    photographs: bool
    paths: dict[str, Path] = field(default_factory=dict)
    mirrored: set[str] = field(default_factory=set)
    _sizes: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _named: dict[tuple[str, str], str] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)

    def pair(self, pair_id: str, line: dict[str, str], place: str) -> Pair | None:
        """None where a photograph is missing, or the images share no keypoint."""
        names = line["source_image"], line["target_image"]
        files = [self.layout.photograph(name) for name in names]
        if self.photographs and not all(file in self._sizes or is_file(file) for file in files):
            return None
        flip = _parse_flip(line, place)
        if "XA" in line:
            points: _Two = (parse_points(line, "A", place), parse_points(line, "B", place))
            if len(points[0]) != len(points[1]):
                raise reading.wrong_line(
                    f"Image A has {len(points[0])} keypoints, image B {len(points[1])}", place
                )
        else:
            points = self.annotations.shared(_name_class(line, place), names, place)
        if not len(points[0]):
            return None
        source, target = (
            self._view(file, line, xy, flip, place) for file, xy in zip(files, points, strict=True)
        )
        symmetry = stand_alone(len(points[0]))
        return Pair(pair_id, source, target, float(max(target.size)), *symmetry)

    def _view(
        self, file: Path, line: dict[str, str], points: Points, flip: bool, place: str
    ) -> View:
        size = self._size(file)
        xy = points * (max(size) / FRAME_PX) if "XA" in line else points.copy()
        if (xy < 0).any() or (xy > np.array(size)).any():
            raise KapbenchError(
                f"A keypoint of {file.name} lies outside its {size[0]}×{size[1]} px",
                place=place,
                fix="Check that the photographs are those of the list, whose frame is 300 px",
            )
        if flip:
            xy[:, 0] = size[0] - xy[:, 0]
        keypoints = reading.make_keypoints(xy, np.ones(len(xy), bool))
        image_id = self._image_id(file.stem, f"{line['class']} {points.tolist()} {flip}")
        if self.photographs:
            self.paths[image_id] = file
        if flip:
            self.mirrored.add(image_id)
        return View(
            image_id, _name_class(line, place), size, reading.box_around(keypoints), keypoints
        )

    def _size(self, file: Path) -> tuple[int, int]:
        if not self.photographs:
            return int(FRAME_PX), int(FRAME_PX)
        if file not in self._sizes:
            self._sizes[file] = image_size(file)
        return self._sizes[file]

    def _image_id(self, stem: str, points: str) -> str:
        """The photograph's name; with other keypoints in another pair it gets #2, #3, …"""
        if (stem, points) not in self._named:
            self._times[stem] += 1
            n = self._times[stem]
            self._named[stem, points] = stem if n == 1 else f"{stem}#{n}"
        return self._named[stem, points]


def _parse_flip(line: dict[str, str], place: str) -> bool:
    """Whether both images are mirrored."""
    if line.get("flip", "0") not in ("0", "1"):
        raise KapbenchError(
            f"The value '{line['flip']}' of column flip is not allowed",
            place=place,
            fix="Use 0 or 1",
        )
    return line.get("flip") == "1"


def _name_class(line: dict[str, str], place: object) -> str:
    number = integer(line["class"])
    if number is None or not 1 <= number <= len(CLASSES):
        raise KapbenchError(
            f"The class '{line['class'][:40]}' does not exist",
            place=place,
            fix="Give a number from 1 to 20",
        )
    return CLASSES[number - 1]
