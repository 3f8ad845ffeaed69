"""PF-WILLOW (Ham et al. 2018): 900 pairs of ten points each."""

from pathlib import Path

import numpy as np

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import PairList, pair_by_box
from kapbench.datasets.symmetry import Symmetry, pick_symmetry, stand_alone
from kapbench.errors import KapbenchError
from kapbench.types import View

NAME, N_POINTS = "pf-willow", 10
SOURCE = SOURCES[NAME]
LISTS = ("test_pairs.csv", "test_pairs_pf.csv", "test_pairs_pf_willow.csv")
FIX = reading.fetch_hint(NAME, SOURCE.folder)


def pf_willow(
    split: str = "test",
    root: str | Path | None = None,
    photographs: bool = True,
    symmetry_file: str | None = None,
) -> PairList:
    """PF-WILLOW; T is the longer side of the box around the target's keypoints.

    A point at (-1, -1) is padding in some copies of the list and is ignored.

    Args:
        split: test, the only one.
        root: The data root that holds the folder PF-dataset, or that folder.
        photographs: Whether pairs without photographs are left out. False keeps all pairs; an image
            then has the smallest size that holds its keypoints.
        symmetry_file: A table of groups and mirror twins of each category, e.g. `car(S)`, see
            docs/datasets/README.md.

    Raises:
        KapbenchError: another split, a missing list, or a line that cannot be understood.
    """
    reading.check_choice("split", split, ("test",), NAME)
    folder = reading.find_folder(root, SOURCE.folder)
    path = next((p for p in (folder / name for name in LISTS) if p.is_file()), folder / LISTS[0])
    content = reading.read_bytes(path, FIX)
    lines = _parse_lines(content, path)
    pairs, paths, categories, tables = [], dict[str, Path](), set(), dict[str, Symmetry]()
    for number, line in lines:
        place = f"{path}, line {number}"
        categories.add(Path(line[0]).parent.name)
        files = [_find_photograph(folder, name) for name in line[:2]]
        if photographs and None in files:
            continue
        source, target = (
            _make_view(name, file, line[2 + 20 * i : 22 + 20 * i], place)
            for i, (name, file) in enumerate(zip(line[:2], files, strict=True))
        )
        for view, file in zip((source, target), files, strict=True):
            if file is not None:
                paths[view.image_id] = file
        category = source.category
        if category not in tables:
            tables[category] = pick_symmetry(stand_alone(N_POINTS), category, symmetry_file)
        pairs.append(pair_by_box(f"{number - 2:03d}", source, target, tables[category]))
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
        expected=tuple(sorted(categories)),
        n_expected=len(lines),
    )


def _parse_lines(content: bytes, path: Path) -> list[tuple[int, list[str]]]:
    lines = list(reading.parse_csv(content, path, FIX))[1:]
    for number, line in lines:
        if len(line) != 2 + 4 * N_POINTS:
            raise KapbenchError(
                f"The line has {len(line)} columns, not {2 + 4 * N_POINTS}",
                place=f"{path}, line {number}",
                fix="Give two images, then 10 x and 10 y of the first, 10 x and 10 y of the second",
            )
    return lines


def _find_photograph(folder: Path, name: str) -> Path | None:
    """Lists name it relative to the data set's folder, or to the one above."""
    candidates = (folder / name, folder / Path(*Path(name).parts[1:]), folder.parent / name)
    return next((path for path in candidates if path.is_file()), None)


def _make_view(name: str, file: Path | None, line: list[str], place: str) -> View:
    values = reading.parse_numbers(line, place)
    xy = np.stack([values[:N_POINTS], values[N_POINTS:]], axis=1)
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
