"""Finds the images of an export on this machine, and how EXIF says that they are rotated."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from PIL import ExifTags, Image

from kapbench.datasets.converting.report import name_first
from kapbench.datasets.images import image_size
from kapbench.errors import KapbenchError, counted

Exif = Literal["auto", "upright", "stored"]
_ORIENTATION = ExifTags.Base.Orientation
_ON_ITS_SIDE = (5, 6, 7, 8)  # a quarter turn


def find_file(names: Sequence[str], folders: Sequence[Path]) -> tuple[Path, bool] | None:
    """The file of the first name that exists, and whether folders of the name were dropped.

    Each name is tried as it is, and then without its first folders: an export names paths of the
    machine that it was made on.

    Args:
        names: Paths, also of Windows.
        folders: Where relative paths may begin; folders named `images` in them count too.
    """
    paths = [PurePosixPath(name.replace("\\", "/")) for name in names if name]
    for path in paths:
        file = _find_below(path.parts, folders)
        if file is not None:
            return file, False
    for path in paths:
        for first in range(1, len(path.parts)):
            file = _find_below(path.parts[first:], folders)
            if file is not None:
                return file, True
    return None


def _find_below(parts: tuple[str, ...], folders: Sequence[Path]) -> Path | None:
    """An absolute path is taken as it is; links in the path are resolved, one of the file is not."""
    files = (folder.joinpath(*parts) for folder in _with_images(folders))
    try:
        file = next((file for file in files if file.is_file()), None)
    except OSError:  # no path at all, as an image written into the export as text
        return None
    return None if file is None else file.parent.resolve() / file.name


def _with_images(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield folder
        yield folder / "images"


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Width and height as stored, and rotated as EXIF says.

    Args:
        rotated: Whether EXIF states another orientation than the stored one.
    """

    stored: tuple[int, int]
    upright: tuple[int, int]
    rotated: bool


@dataclass(frozen=True, slots=True)
class SizedImage:
    """
    Args:
        stated: Its width and height as the tool states them.
    """

    place: str
    stated: tuple[int, int] | None
    size: ImageSize


def read_size(file: Path) -> ImageSize:
    """From the header alone. KapbenchError where it is no image."""
    stored = image_size(file)
    with Image.open(file) as image:
        # Pillow rotates TIFF itself, and reads all of a PNG file in search of its EXIF.
        without = image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info)
        turn = 1 if without else image.getexif().get(_ORIENTATION, 1)
    upright = stored[::-1] if turn in _ON_ITS_SIDE else stored
    return ImageSize(stored, upright, rotated=turn != 1)


def choose_orientation(images: Sequence[SizedImage], exif: Exif) -> bool:
    """Whether the keypoints refer to images rotated as EXIF says.

    Args:
        exif: "auto" decides by the sizes that the tool states.

    Raises:
        KapbenchError: the sizes decide nothing, or contradict each other.
    """
    rotated = [image for image in images if image.size.rotated]
    if exif != "auto" or not rotated:
        return exif == "upright"
    turned = [image for image in rotated if image.size.stored != image.size.upright]
    upright = any(image.stated == image.size.upright for image in turned)
    stored = any(image.stated == image.size.stored for image in turned)
    if upright == stored:
        what = (
            "the sizes in the export are those before the rotation and those after it"
            if upright
            else "no size in the export shows whether its points refer to the rotated images"
        )
        raise KapbenchError(
            f"EXIF rotates {counted(len(rotated), 'image')}, and {what}",
            place=name_first([image.place for image in rotated]),
            fix="Add --exif upright if the tool showed them rotated, as browsers do, and --exif "
            "stored if not",
        )
    return upright
