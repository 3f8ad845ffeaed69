"""Freiburg static cars (Sedaghat, Brox 2015): views around parked cars, for training the sphere."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kapbench.datasets import reading as read
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import Listed
from kapbench.datasets.reading import boxes_beyond
from kapbench.errors import KapbenchError
from kapbench.types import AZIMUTH_BINS, Keypoints, View

NAME = "freiburg-cars"
SOURCE = SOURCES[NAME]
FIX = read.get_it(NAME, SOURCE.folder)
TRAIN = f"`kapbench train sphere --dataset {NAME} --validate-every 0` learns from them"


def freiburg_cars(
    split: str = "trn",
    root: str | Path | None = None,
    front_deg: float = 0.0,
    clockwise: bool = False,
) -> Listed:
    """Freiburg static cars: views with azimuth and masks, no keypoints and so no pairs.

    Args:
        split: trn, which is all there is.
        root: The data root that holds the folder freiburg_static_cars_52_v1.1, or that folder.
        front_deg: The azimuth at which a car faces the camera.
        clockwise: Whether azimuths grow the other way round than towards facing image-left.

    Raises:
        KapbenchError: another split, no annotations, or a line that cannot be understood.
    """
    if split == "test":
        raise KapbenchError(
            "no pairs to evaluate: views for training alone", place=f"data set {NAME}", fix=TRAIN
        )
    read.choose("split", split, ("trn",), NAME)
    folder = read.folder_of(root, SOURCE.folder)
    files = sorted((folder / "annotations").glob("*_annot.txt"))
    if not files:
        raise KapbenchError("no annotations", place=folder / "annotations", fix=FIX)
    contents: list[bytes | str] = [str((front_deg, clockwise))]
    views, paths = [], {}
    for path in files:
        contents.append(read.read_bytes(path, FIX))
        for view, photograph in _views(path, folder, front_deg, clockwise):
            views.append(view)
            paths[view.image_id] = photograph
    return Listed(
        NAME, split, read.revision(contents), SOURCE.licence, SOURCE.citation, [], paths,
        has_absent=False, more_views=views, remarks=tuple(boxes_beyond(views)),
    )  # fmt: skip


def azimuth_bin(degrees: float, front_deg: float, clockwise: bool) -> int:
    """0 front, 1-3 facing image-left, 4 rear, 5-7 facing image-right."""
    turned = (front_deg - degrees) if clockwise else (degrees - front_deg)
    return round(turned / (360 / AZIMUTH_BINS)) % AZIMUTH_BINS


def _views(
    path: Path, folder: Path, front_deg: float, clockwise: bool
) -> Iterator[tuple[View, Path]]:
    car = path.name.partition("_")[0]
    for number, line in enumerate(read.read_text(path, FIX).splitlines(), start=1):
        if not line.strip():
            continue
        place, words = f"{path}, line {number}", line.split()
        if len(words) != 6:
            raise KapbenchError(
                f"{len(words)} words", place=place, fix="name, x1, y1, x2, y2, azimuth in degrees"
            )
        x1, y1, x2, y2, azimuth = read.numbers(words[1:], place).tolist()
        if not (x2 > x1 and y2 > y1):
            raise KapbenchError("a box without area", place=place, fix="x1 y1 x2 y2 are meant")
        name = Path(words[0]).name
        photograph = folder / "images" / car / name
        mask = folder / "instance_masks" / car / name
        mask = mask if mask.is_file() else mask.with_suffix(".png")
        yield View(
            f"{car}/{Path(name).stem}", "car", image_size(photograph), (x1, y1, x2, y2),
            Keypoints(np.zeros((0, 2)), np.zeros(0, bool)),
            azimuth_bin(azimuth, front_deg, clockwise), mask if mask.is_file() else None,
        ), photograph  # fmt: skip
