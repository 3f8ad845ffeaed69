"""AP-10K as GeoAware-SC's notebook prepares it, with the pairs that the notebook drew.

PairAnnotation/SPLIT/SOURCE-TARGET:CATEGORY.json names each pair; ImageAnnotation/FAMILY/SPECIES holds
one file for each image, JPEGImages/FAMILY/SPECIES its photograph. Papers score this layout.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.pair_list import PairList, name_pair, pair_by_box
from kapbench.datasets.reading import Coordinate, Side, list_names
from kapbench.datasets.symmetry import Symmetry
from kapbench.errors import KapbenchError
from kapbench.types import View
from kapbench.untrusted.strict_text import read_bytes

GEOAWARE: Final = "geoaware"
NAME, N_KEYPOINTS = "ap-10k", 17
FOLDERS = {"intra": "", "cross-species": "_cross_species", "cross-family": "_cross_family"}
FIX = (
    "Prepare the folder as prepare_ap10k.ipynb of Junyi42/GeoAware-SC does, or leave "
    f"pairs={GEOAWARE} out"
)
# On Windows, archives are unpacked with another character in place of ':'.
_PAIR = re.compile(r"(?P<source>\d+)-(?P<target>\d+)[:_\uf03a](?P<category>.+)\.json")


class _Annotation(BaseModel):
    """The keys that are read; others are ignored."""

    model_config = ConfigDict(strict=True)

    width: Side
    height: Side
    bbox: tuple[Coordinate, Coordinate, Coordinate, Coordinate]  # x, y, width, height
    keypoints: Annotated[  # x, y and visibility of each: 0 not labelled, 1 hidden, 2 visible
        list[Coordinate], Field(min_length=3 * N_KEYPOINTS, max_length=3 * N_KEYPOINTS)
    ]


@dataclass(frozen=True, slots=True)
class _Line:
    """A pair by the numbers of its images."""

    source: str
    target: str
    category: str


def prepared_ap_10k(folder: Path, kind: str, split: str, table: Symmetry) -> PairList:
    """The pairs of PairAnnotation, ordered by category and then by name, as GeoAware-SC scores them.

    T is the longer side of the target's box. A keypoint that is labelled but hidden is visible.

    Args:
        folder: Holds ImageAnnotation, PairAnnotation and JPEGImages.
        kind: Of FOLDERS.

    Raises:
        KapbenchError: no pairs, or none with photographs; a file that cannot be understood.
    """
    pair_folder = folder / "PairAnnotation" / f"{split}{FOLDERS[kind]}"
    names = sorted(name for name in list_names(pair_folder) if name.endswith(".json"))
    if not names:
        raise KapbenchError("The folder contains no pairs", place=pair_folder, fix=FIX)
    lines = sorted((_parse(name, pair_folder) for name in names), key=lambda line: line.category)
    category_of = {n: line.category for line in lines for n in (line.source, line.target)}
    contents: list[bytes | str] = [*(part.tobytes() for part in table), *names]
    views, paths, n_outside = dict[str, View](), dict[str, Path](), 0
    for number, path, photograph in _find_files(folder, category_of):
        content = read_bytes(path, FIX)
        contents.append(content)
        view, n = _read_view(content, path, category_of[number])
        if photograph is not None:
            views[number], paths[view.image_id] = view, photograph
            n_outside += n
    pairs = [
        pair_by_box(f"{line.category}:{name_pair(s, t)}", s, t, table)
        for line in lines
        if (s := views.get(line.source)) and (t := views.get(line.target))
    ]
    if not pairs:
        raise KapbenchError("There is no photograph", place=folder / "JPEGImages", fix=FIX)
    return PairList(
        f"{NAME}.{kind}.{GEOAWARE}",
        split,
        reading.hash_revision([*contents, *sorted(paths)]),
        *SOURCES[NAME].terms,
        pairs,
        paths,
        expected=tuple(sorted({line.category for line in lines})),
        n_expected=len(lines),
        remarks=reading.remark_on_outside(n_outside),
    )


def _parse(name: str, folder: Path) -> _Line:
    if not (matched := _PAIR.fullmatch(name)):
        raise KapbenchError(
            f"The file name '{name[:80]}' is not SOURCE-TARGET:CATEGORY.json", place=folder, fix=FIX
        )
    return _Line(**matched.groupdict())


def _find_files(folder: Path, wanted: Collection[str]) -> Iterator[tuple[str, Path, Path | None]]:
    """Number, annotation and photograph (None: missing) of each image, in order of their paths.

    Raises:
        KapbenchError: an image has no annotation, or two.
    """
    base, numbers = folder / "ImageAnnotation", set[str]()
    for family in sorted(list_names(base)):
        for species in sorted(list_names(base / family)):
            photographs = list_names(folder / "JPEGImages" / family / species)
            for name in sorted(list_names(base / family / species)):
                number = name.removesuffix(".json")
                if number not in wanted or number == name:
                    continue
                if number in numbers:
                    raise KapbenchError(
                        f"Two species have an image {number}",
                        place=base / family / species,
                        fix=FIX,
                    )
                numbers.add(number)
                photograph = folder / "JPEGImages" / family / species / f"{number}.jpg"
                is_here = photograph.name in photographs
                yield number, base / family / species / name, photograph if is_here else None
    if missing := sorted({*wanted} - numbers):
        raise KapbenchError(
            f"There is no annotation of image {missing[0]}, which a pair names", place=base, fix=FIX
        )


def _read_view(content: bytes, path: Path, category: str) -> tuple[View, int]:
    """The image, and how many of its keypoints lie outside of it."""
    annotation = reading.validate_json(_Annotation, content, path)
    x, y, width, height = annotation.bbox
    box, size = (x, y, x + width, y + height), (annotation.width, annotation.height)
    reading.check_box(box, path)
    values = np.array(annotation.keypoints, np.float64).reshape(-1, 3)
    points = reading.make_keypoints(values[:, :2], values[:, 2] > 0)
    points, n_outside = reading.drop_outside(points, size)
    image_id = "/".join((*path.parts[-3:-1], path.stem))
    return View(image_id, category, size, box, points), n_outside
