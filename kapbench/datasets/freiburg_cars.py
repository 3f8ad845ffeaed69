"""Freiburg static cars (Sedaghat, Brox 2015): views around parked cars, for training the sphere."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import PairList
from kapbench.errors import KapbenchError
from kapbench.paths import list_files
from kapbench.types import AZIMUTH_BINS, Keypoints, View

NAME = "freiburg-cars"
SOURCE = SOURCES[NAME]
FIX = reading.fetch_hint(NAME, SOURCE.folder)
TRAIN = f"Train on it: `kapbench train sphere --dataset {NAME} --validate-every 0`"


def freiburg_cars(
    split: str = "trn",
    root: str | Path | None = None,
    front_deg: float = 0.0,
    clockwise: bool = False,
) -> PairList:
    """Freiburg static cars: views with azimuths and masks, without keypoints and pairs.

    Args:
        split: trn, the only one.
        root: The data root that holds the folder freiburg_static_cars_52_v1.1, or that folder.
        front_deg: Azimuth at which a car faces the camera.
        clockwise: Whether growing azimuths turn the car towards facing image-right.

    Raises:
        KapbenchError: another split, missing annotations, or a line that cannot be understood.
    """
    if split == "test":
        raise KapbenchError(
            "The data set has no pairs to evaluate: its views are for training only",
            place=f"data set {NAME}",
            fix=TRAIN,
        )
    reading.check_choice("split", split, ("trn",), NAME)
    folder = reading.find_folder(root, SOURCE.folder)
    files = list_files(folder / "annotations", "*_annot.txt")
    if not files:
        raise KapbenchError("There are no annotations", place=folder / "annotations", fix=FIX)
    contents: list[bytes | str] = [str((front_deg, clockwise))]
    views, paths = [], {}
    for path in files:
        contents.append(reading.read_bytes(path, FIX))
        for view, photograph in _read_views(path, folder, front_deg, clockwise):
            views.append(view)
            paths[view.image_id] = photograph
    return PairList(
        NAME,
        split,
        reading.hash_revision(contents),
        *SOURCE.terms,
        [],
        paths,
        has_absent=False,
        more_views=views,
        remarks=reading.remark_on_boxes(views, "x1, y1, x2, y2, not x, y, width, height"),
    )


def azimuth_bin(degrees: float, front_deg: float, clockwise: bool) -> int:
    """0 front, 1-3 facing image-left, 4 rear, 5-7 facing image-right."""
    turned = (front_deg - degrees) if clockwise else (degrees - front_deg)
    return round(turned / (360 / AZIMUTH_BINS)) % AZIMUTH_BINS


def _read_views(
    path: Path, folder: Path, front_deg: float, clockwise: bool
) -> Iterator[tuple[View, Path]]:
    car = path.name.partition("_")[0]
    for number, line in enumerate(reading.read_text(path, FIX).splitlines(), start=1):
        if not line.strip():
            continue
        place, words = f"{path}, line {number}", line.split()
        if len(words) != 6:
            raise KapbenchError(
                f"The line has {len(words)} words",
                place=place,
                fix="Give name, x1, y1, x2, y2 and the azimuth in degrees",
            )
        x1, y1, x2, y2, azimuth = reading.parse_numbers(words[1:], place).tolist()
        reading.check_box((x1, y1, x2, y2), place)
        name = Path(words[0]).name
        photograph = folder / "images" / car / name
        mask = folder / "instance_masks" / car / name
        mask = mask if mask.is_file() else mask.with_suffix(".png")
        view = View(
            f"{car}/{Path(name).stem}",
            "car",
            image_size(photograph),
            (x1, y1, x2, y2),
            Keypoints(np.zeros((0, 2)), np.zeros(0, bool)),
            azimuth_bin(azimuth, front_deg, clockwise),
            mask if mask.is_file() else None,
        )
        yield view, photograph
