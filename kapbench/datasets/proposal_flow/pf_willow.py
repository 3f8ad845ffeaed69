"""PF-WILLOW (Ham et al. 2018): ten sub-classes of ten photographs, 900 pairs of ten points each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import PairList, pair_by_box
from kapbench.datasets.proposal_flow.point_columns import COLUMNS, POINTS, parse_points
from kapbench.datasets.symmetry import Symmetry, pick_symmetry, stand_alone
from kapbench.errors import KapbenchError
from kapbench.types import View
from kapbench.untrusted.regular_files import is_file
from kapbench.untrusted.strict_text import parse_csv, read_bytes

NAME, N_POINTS, N_PAIRS = "pf-willow", 10, 900
SOURCE = SOURCES[NAME]
HPF = "PF-WILLOW"  # the folder of HPF, CHM and CATs
LISTS = (
    "test_pairs.csv",
    "test_pairs_pf.csv",
    "test_pairs_pf_willow.csv",
    "test_pairs_semicolons.csv",
)
_CLASSES = (
    "car(G) car(M) car(S) duck(S) motorbike(G) motorbike(M) motorbike(S) winebottle(M) "
    "winebottle(wC) winebottle(woC)"
)
CLASSES = _CLASSES.split()  # numbered from 1 in the lists that have a column class
FIX = reading.fetch_hint(NAME, SOURCE.folder)


def pf_willow(
    split: str = "test",
    root: str | Path | None = None,
    photographs: bool = True,
    symmetry_file: str | None = None,
) -> PairList:
    """PF-WILLOW; T is the longer side of the box around the target's keypoints.

    A point at (-1, -1) is padding in some copies of the list and is ignored. The list has either a
    column for each number, or the columns source_image, target_image, class, XA, YA, XB, YB.

    Args:
        split: test, the only one.
        root: The data root that holds the folder PF-dataset, or that folder; or PF-WILLOW, as HPF,
            CHM and CATs call it.
        photographs: Whether pairs without photographs are left out. False keeps all pairs; an image
            then has the smallest size that holds its keypoints.
        symmetry_file: A table of groups and mirror twins of each category, e.g. `car(S)`, see
            docs/datasets/README.md.

    Raises:
        KapbenchError: another split, a missing list, or a line that cannot be understood.
    """
    reading.check_choice("split", split, ("test",), NAME)
    folder, path = _find_list(root)
    content = read_bytes(path, FIX)
    lines = list(_parse_lines(content, path))
    pairs, paths, tables = [], dict[str, Path](), dict[str, Symmetry]()
    for line in lines:
        files = [_find_photograph(folder, name) for name in line.names]
        if photographs and None in files:
            continue
        source, target = (
            _make_view(name, file, xy, line.place)
            for name, file, xy in zip(line.names, files, line.points, strict=True)
        )
        for view, file in zip((source, target), files, strict=True):
            if file is not None:
                paths[view.image_id] = file
        category = source.category
        if category not in tables:
            tables[category] = pick_symmetry(stand_alone(N_POINTS), category, symmetry_file)
        pairs.append(pair_by_box(line.pair_id, source, target, tables[category]))
    if not pairs:
        raise KapbenchError("There is no photograph of the list's images", place=folder, fix=FIX)
    symmetries = [part.tobytes() for name in sorted(tables) for part in tables[name]]
    sizes = reading.list_sizes(view for pair in pairs for view in (pair.source, pair.target))
    return PairList(
        NAME,
        split,
        reading.hash_revision([content, str(photographs), *symmetries, *sizes]),
        *SOURCE.terms,
        pairs,
        paths,
        has_absent=False,
        expected=tuple(sorted({Path(line.names[0]).parent.name for line in lines})),
        n_expected=len(lines),
        remarks=_remark_on_directions(lines, path),
    )


def _find_list(root: str | Path | None) -> tuple[Path, Path]:
    """The data set's folder, and its list."""
    folders = [reading.find_folder(root, name) for name in (SOURCE.folder, HPF)]
    candidates = [(folder, folder / name) for folder in folders for name in LISTS]
    return next((c for c in candidates if is_file(c[1])), candidates[0])


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    place: str
    names: tuple[str, str]
    points: tuple[Float[np.ndarray, "10 2"], Float[np.ndarray, "10 2"]]

    @property
    def pair_id(self) -> str:
        return f"{self.number - 2:03d}"


def _parse_lines(content: bytes, path: Path) -> Iterator[_Line]:
    (_, header), *lines = list(parse_csv(content, path, FIX, reading.AS_PUBLISHED)) or [(1, [])]
    joined = tuple(header) == (*COLUMNS, *POINTS)
    for number, words in lines:
        place = f"{path}, line {number}"
        n_columns = len(header) if joined else 2 + 4 * N_POINTS
        if len(words) != n_columns:
            points = (
                "the class, and XA, YA, XB, YB with points joined by ';'"
                if joined
                else "10 x and 10 y of the first, 10 x and 10 y of the second"
            )
            raise KapbenchError(
                f"The line has {len(words)} columns, not {n_columns}",
                place=place,
                fix=f"Give two images, then {points}",
            )
        read_points = _points_of_columns if joined else _points_of_numbers
        yield _Line(number, place, (words[0], words[1]), read_points(words, place))


def _points_of_numbers(
    words: list[str], place: str
) -> tuple[Float[np.ndarray, "10 2"], Float[np.ndarray, "10 2"]]:
    values = reading.parse_numbers(words[2:], place).reshape(2, 2, N_POINTS)
    return values[0].T, values[1].T


def _points_of_columns(
    words: list[str], place: str
) -> tuple[Float[np.ndarray, "10 2"], Float[np.ndarray, "10 2"]]:
    line = dict(zip((*COLUMNS, *POINTS), words, strict=True))
    category = Path(words[0]).parent.name
    if category in CLASSES and line["class"] != str(1 + CLASSES.index(category)):
        raise reading.wrong_line(
            f"The class is {line['class']}, but the folder {category} is class "
            f"{1 + CLASSES.index(category)}",
            place,
        )
    points = parse_points(line, "A", place), parse_points(line, "B", place)
    for side, xy in zip("AB", points, strict=True):
        if len(xy) != N_POINTS:
            raise reading.wrong_line(f"Image {side} has {len(xy)} points, not {N_POINTS}", place)
    return points


def _remark_on_directions(lines: list[_Line], path: Path) -> tuple[str, ...]:
    """The remark that a list has each pair of photographs in one direction only."""
    named = {line.names for line in lines}
    if len(named) >= N_PAIRS or any(names[::-1] in named for names in named):
        return ()
    message = (
        f"{path.name} has {len(lines)} pairs, each in one direction. Published scores are of "
        f"{N_PAIRS} pairs, in both: they cannot be compared"
    )
    return (message,)


def _find_photograph(folder: Path, name: str) -> Path | None:
    """Lists name it relative to the data set's folder, or to the one above."""
    candidates = (folder / name, folder / Path(*Path(name).parts[1:]), folder.parent / name)
    return next((path for path in candidates if is_file(path)), None)


def _make_view(name: str, file: Path | None, xy: Float[np.ndarray, "10 2"], place: str) -> View:
    points = reading.make_keypoints(xy, ~(xy == -1).all(axis=1))
    if not points.visible.any():
        raise reading.wrong_line(f"The image {name} has no keypoint", place)
    box = reading.box_around(points)
    size = reading.smallest_size(box, points) if file is None else image_size(file)
    if reading.drop_outside(points, size)[1]:
        raise KapbenchError(
            f"A keypoint of {name} lies outside the image of {size[0]}×{size[1]} px",
            place=place,
            fix="Correct the line, or check that the photographs are those of the list",
        )
    path = Path(name)
    return View(f"{path.parent.name}/{path.stem}", path.parent.name, size, box, points)
