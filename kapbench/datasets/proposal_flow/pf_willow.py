"""PF-WILLOW (Ham et al. 2018): 900 pairs of ten points each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kapbench.datasets import reading as read
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import Listed
from kapbench.datasets.symmetry import Symmetry, of_table, read_override
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View

NAME, N_POINTS = "pf-willow", 10
SOURCE = SOURCES[NAME]
LISTS = ("test_pairs.csv", "test_pairs_pf.csv", "test_pairs_pf_willow.csv")
FIX = read.get_it(NAME, SOURCE.folder)


def pf_willow(
    split: str = "test",
    root: str | Path | None = None,
    photographs: bool = True,
    symmetry_file: str | None = None,
) -> Listed:
    """PF-WILLOW; T is the longer side of the box around the target's own points.

    A point at (-1, -1) is padding of some copies of the list and is no point.

    Args:
        split: test, which is all there is.
        root: The data root that holds the folder PF-dataset, or that folder.
        photographs: Whether pairs without photographs are left out; without, all are there, and an
            image is the smallest that holds its points.
        symmetry_file: A table of groups and mirror twins of each category, e.g. `car(S)`, see
            docs/datasets/README.md.

    Raises:
        KapbenchError: another split, no list, or a line that cannot be understood.
    """
    read.choose("split", split, ("test",), NAME)
    folder = read.folder_of(root, SOURCE.folder)
    path = next((p for p in (folder / name for name in LISTS) if p.is_file()), folder / LISTS[0])
    content = read.read_bytes(path, FIX)
    lines = list(read.read_table(content, path, FIX))[1:]
    pairs, paths, categories = [], dict[str, Path](), set()
    for number, line in lines:
        place = f"{path}, line {number}"
        if len(line) != 2 + 4 * N_POINTS:
            raise KapbenchError(
                f"{len(line)} columns, not {2 + 4 * N_POINTS}", place=place,
                fix="two images, then 10 x and 10 y of the first, 10 x and 10 y of the second",
            )  # fmt: skip
        categories.add(Path(line[0]).parent.name)
        files = [_photograph(folder, name) for name in line[:2]]
        if photographs and None in files:
            continue
        source, target = (
            _view(name, file, line[2 + 20 * i : 22 + 20 * i], place)
            for i, (name, file) in enumerate(zip(line[:2], files, strict=True))
        )
        found = zip((source, target), files, strict=True)
        paths |= {view.image_id: file for view, file in found if file is not None}
        pairs.append(_pair(f"{number - 2:03d}", source, target, symmetry_file))
    if not pairs:
        raise KapbenchError("no photograph of the list is here", place=folder, fix=FIX)
    said = (content, str(photographs), *_said(pairs))
    return Listed(
        NAME, split, read.revision(said), SOURCE.licence, SOURCE.citation, pairs, paths,
        has_absent=False, expected=tuple(sorted(categories)), n_expected=len(lines),
    )  # fmt: skip


def _photograph(folder: Path, name: str) -> Path | None:
    """Lists name it from the folder above, or from the data set's own."""
    tried = (folder / name, folder / Path(*Path(name).parts[1:]), folder.parent / name)
    return next((path for path in tried if path.is_file()), None)


def _view(name: str, file: Path | None, line: list[str], place: str) -> View:
    values = read.numbers(line, place, "coordinate")
    xy = np.stack([values[:N_POINTS], values[N_POINTS:]], axis=1)
    points = read.keypoints(xy, ~(xy == -1).all(axis=1))
    if not points.visible.any():
        raise KapbenchError(f"no point of {name}", place=place, fix="mend the line")
    box = read.box_around(points)
    size = read.holding(box, points) if file is None else image_size(file)
    if read.inside(points, size)[1]:
        raise KapbenchError(
            f"a point outside its image of {size[0]}×{size[1]} px: {name}", place=place,
            fix="mend the line; are the photographs those of the list?",
        )  # fmt: skip
    path = Path(name)
    return View(f"{path.parent.name}/{path.stem}", path.parent.name, size, box, points)


def _pair(pair_id: str, source: View, target: View, symmetry_file: str | None) -> Pair:
    tables = _symmetry(source.category, symmetry_file)
    return Pair(pair_id, source, target, read.longer_side(target.bbox), *tables)


def _said(pairs: Sequence[Pair]) -> Iterator[bytes | str]:
    """For the revision: tables of the categories, and the photographs."""
    tables = {pair.source.category: (pair.groups, pair.twins) for pair in pairs}
    for category in sorted(tables):
        yield from (table.tobytes() for table in tables[category])
    yield from read.seen(view for pair in pairs for view in (pair.source, pair.target))


def _symmetry(category: str, symmetry_file: str | None) -> Symmetry:
    if symmetry_file is None:
        return of_table(N_POINTS, [], [])
    return read_override(symmetry_file, category, N_POINTS)
