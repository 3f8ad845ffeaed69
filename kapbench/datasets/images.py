"""Reads photographs and masks; an error names the file that is broken."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import ExifTags, Image, ImageOps

from kapbench.errors import KapbenchError

REFETCH = "Fetch the data set again"
VOID = 255  # a PASCAL VOC mask's boundary: neither object nor background
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations of a quarter turn
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def read_rgb(path: Path, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Pixels as stored; an EXIF orientation is ignored, as published evaluators do.

    Args:
        size: Width and height that the annotation states; they are checked.

    Raises:
        KapbenchError: missing, truncated, not an image, or of another size.
    """
    image = _as_rgb(_open(path), path)
    _check_size(image, size, path, "image", REFETCH)
    return np.asarray(image)


def read_upright(path: Path, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """As `read_rgb`, rotated as EXIF says: for annotations made in a viewer that rotates."""
    image = _as_rgb(ImageOps.exif_transpose(_open(path)), path)
    _check_size(
        image, size, path, "image", "Set exif=false if the keypoints refer to the image as stored"
    )
    return np.asarray(image)


def _as_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Eight bits per channel, on a white background.

    Values of deeper images are taken for 16 bits where any is above 255, for fractions of white
    where all are decimals up to 1, and else for 8 bits.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        levels = np.asarray(image, np.float64)
        if not np.isfinite(levels).all():
            raise KapbenchError(
                "The image has pixels that are not numbers", place=path, fix="Correct the image"
            )
        if levels.max(initial=0) > 255:
            levels = levels / 257
        elif image.mode == "F" and levels.max(initial=0) <= 1:
            levels = (levels * 255).round()
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        background = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(background, rgba).convert("RGB")
    return image.convert("RGB")


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as stored, from the header alone. KapbenchError as `read_rgb`."""
    with _opened(path) as image:
        return image.size


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of `read_upright`. KapbenchError as `read_rgb`."""
    with _opened(path) as image:
        sideways = image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE
        width, height = image.size
        # Pillow rotates TIFF files itself; their size is that of the rotated image.
        return (height, width) if sideways and image.format != "TIFF" else (width, height)


def read_mask(path: Path, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """True on the object.

    In an image of 0 and 255 only, 255 is the object. Any other image has class or instance
    numbers as in PASCAL VOC: the object is all but 0 (background) and 255 (boundary).

    Args:
        size: Width and height of the photograph.

    Raises:
        KapbenchError: unreadable, or not of the photograph's size.
    """
    image = _open(path)
    _check_size(image, size, path, "mask", "Remove it: boxes take the place of missing masks")
    if len(image.getbands()) > 1:
        image = image.convert("L")
    values = np.asarray(image)
    if set(np.unique(values).tolist()) <= {0, VOID}:
        return np.asarray(values == VOID)
    return np.asarray((values != 0) & (values != VOID))


def _check_size(
    image: Image.Image, size: tuple[int, int] | None, path: Path, what: str, fix: str
) -> None:
    if size is not None and image.size != size:
        actual, stated = (f"{w}×{h} px" for w, h in (image.size, size))
        raise KapbenchError(
            f"The {what} has {actual}, its annotation says {stated}", place=path, fix=fix
        )


def _open(path: Path) -> Image.Image:
    with _opened(path) as image:
        image.load()
        return image.copy()


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise KapbenchError("The image does not exist", place=path, fix=REFETCH) from error
    except _BROKEN as error:
        raise KapbenchError(
            f"The image cannot be read: {error}", place=path, fix=REFETCH
        ) from error
