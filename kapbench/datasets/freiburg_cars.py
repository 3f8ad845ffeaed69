"""Freiburg static cars (Sedaghat, Brox 2015): views around parked cars, for training the sphere.

The layouts are those of three public readers: SphericalMaps (datasets/FCars.py: images/CAR, the
ending of a name in the list may differ), a YOLO of cars (CAR beside annotations, columns separated
by tabs, .png in place of any ending) and a script for viewpoint networks (names as they are).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size, read_rgb
from kapbench.datasets.pair_list import PairList
from kapbench.errors import KapbenchError
from kapbench.paths import list_files
from kapbench.types import AZIMUTH_BINS, Keypoints, View
from kapbench.untrusted.strict_text import read_bytes, read_text

NAME = "freiburg-cars"
SOURCE = SOURCES[NAME]
FIX = reading.fetch_hint(NAME, SOURCE.folder)
TRAIN = f"Train on it: `kapbench train sphere --dataset {NAME} --validate-every 0`"
BINNINGS = ("nearest", "floor")
ENDINGS = (".png", ".jpg", ".jpeg")
HALF = 127  # masks are probabilities of 0 to 255; SphericalMaps takes those above one half


def freiburg_cars(
    split: str = "trn",
    root: str | Path | None = None,
    front_deg: float = 0.0,
    clockwise: bool = False,
    binning: str = "nearest",
) -> PairList:
    """Freiburg static cars: views with azimuths and masks, without keypoints and pairs.

    Args:
        split: trn, the only one.
        root: The data root that holds the folder freiburg_static_cars_52_v1.1, or that folder.
        front_deg: Azimuth at which a car faces the camera.
        clockwise: Whether growing azimuths turn the car towards facing image-right.
        binning: nearest: bin 0 reaches 22.5 degrees to both sides of the front. floor: from 0 to
            45 degrees, as SphericalMaps bins (az2vp_id of its FCars.py).

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
    reading.check_choice("binning", binning, BINNINGS, NAME)
    folder = reading.find_folder(root, SOURCE.folder)
    files = list_files(folder / "annotations", "*_annot.txt")
    if not files:
        raise KapbenchError("There are no annotations", place=folder / "annotations", fix=FIX)
    contents: list[bytes | str] = [str((front_deg, clockwise, binning))]
    images, views, paths = _Images(folder), [], {}
    for path in files:
        contents.append(read_bytes(path, FIX))
        for line in _parse_lines(path):
            photograph = images.find(line)
            bin_of_azimuth = azimuth_bin(line.azimuth, front_deg, clockwise, binning)
            view = _make_view(line, photograph, bin_of_azimuth, images.find_mask(line))
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
        read_mask=_read_mask,
        remarks=reading.remark_on_boxes(views, "x1, y1, x2, y2, not x, y, width, height"),
    )


def azimuth_bin(degrees: float, front_deg: float, clockwise: bool, binning: str = "nearest") -> int:
    """0 front, 1-3 facing image-left, 4 rear, 5-7 facing image-right.

    Args:
        binning: nearest: the bin whose centre (a multiple of 45 degrees) is nearest. floor: the
            number of whole 45 degrees.
    """
    turned = (front_deg - degrees) if clockwise else (degrees - front_deg)
    bins = turned / (360 / AZIMUTH_BINS)
    return (round(bins) if binning == "nearest" else int(np.floor(bins))) % AZIMUTH_BINS


@dataclass(frozen=True, slots=True)
class _Line:
    """One view; names without a folder are of the car in the file's name (CAR_annot.txt)."""

    place: str
    car: str
    name: str
    box: reading.Box
    azimuth: float

    @property
    def image_id(self) -> str:
        return f"{self.car}/{Path(self.name).stem}"


def _parse_lines(path: Path) -> Iterator[_Line]:
    for number, text in enumerate(read_text(path, FIX).splitlines(), start=1):
        if not text.strip():
            continue
        place, words = f"{path}, line {number}", text.split()
        if len(words) != 6:
            raise KapbenchError(
                f"The line has {len(words)} words",
                place=place,
                fix="Give name, x1, y1, x2, y2 and the azimuth in degrees, separated by spaces or "
                "tabs",
            )
        x1, y1, x2, y2, azimuth = reading.parse_numbers(words[1:], place).tolist()
        reading.check_box((x1, y1, x2, y2), place)
        name = Path(words[0].replace("\\", "/"))
        car = name.parent.name or path.name.partition("_")[0]
        yield _Line(place, car, name.name, (x1, y1, x2, y2), azimuth)


@dataclass
class _Images:
    """Finds the files of the lines: in CAR below `images` or beside `annotations`."""

    folder: Path
    _names: dict[Path, frozenset[str]] = field(default_factory=dict)  # of each folder

    def find(self, line: _Line) -> Path:
        """KapbenchError where there is no photograph, of any ending."""
        candidates = (self.folder / "images" / line.car, self.folder / line.car)
        for folder in candidates:
            if (path := self._of_name(folder, line.name)) is not None:
                return path
        raise KapbenchError(
            f"There is no photograph {line.car}/{line.name}, nor one of another ending, in "
            f"{' or '.join(str(folder) for folder in candidates)}",
            place=line.place,
            fix=FIX,
        )

    def find_mask(self, line: _Line) -> Path | None:
        return self._of_name(self.folder / "instance_masks" / line.car, line.name)

    def _of_name(self, folder: Path, name: str) -> Path | None:
        """The file of that name; else of that name with another ending."""
        if folder not in self._names:
            self._names[folder] = reading.list_names(folder)
        stem = Path(name).stem
        candidates = (name, *(f"{stem}{ending}" for ending in ENDINGS))
        return next((folder / c for c in candidates if c in self._names[folder]), None)


def _make_view(line: _Line, photograph: Path, bin_of_azimuth: int, mask: Path | None) -> View:
    no_keypoints = Keypoints(np.zeros((0, 2)), np.zeros(0, bool))
    size = image_size(photograph)
    return View(line.image_id, "car", size, line.box, no_keypoints, bin_of_azimuth, mask)


def _read_mask(path: Path, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """True where the probability is above one half, as SphericalMaps reads the masks it makes."""
    return np.asarray(read_rgb(path, size)[:, :, 0] > HALF)
