"""Reading photographs and masks whole, or saying which one is broken."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import ExifTags, Image, ImageOps

from kapbench.errors import KapbenchError

VOID = 255  # a PASCAL VOC mask's boundary: neither object nor background
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations of a quarter turn
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def read_rgb(path: Path, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Pixels as stored; an EXIF orientation is ignored, as published evaluators do.

    Args:
        size: Width and height that the annotation states, to be checked.

    Raises:
        KapbenchError: missing, truncated, no image, or of another size.
    """
    image = _as_rgb(_open(path), path)
    _check_size(image, size, path, "image", "fetch the data set again")
    return np.asarray(image)


def read_upright(path: Path, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """As `read_rgb`, turned as EXIF says: for annotations made on what a viewer shows."""
    image = _as_rgb(ImageOps.exif_transpose(_open(path)), path)
    _check_size(image, size, path, "image", "say exif=false if the points are those of the file")
    return np.asarray(image)


def _as_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Eight bits a channel; transparent pixels lie on white.

    Deeper levels are those of 16 bits where any is above 255, fractions of white where all are
    decimals up to 1, and else those of 8 bits.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        levels = np.asarray(image, np.float64)
        if not np.isfinite(levels).all():
            raise KapbenchError("pixels that are no numbers", place=path, fix="mend the image")
        if levels.max(initial=0) > 255:
            levels = levels / 257
        elif image.mode == "F" and levels.max(initial=0) <= 1:
            levels = (levels * 255).round()
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        seen = image.convert("RGBA")
        ground = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, seen).convert("RGB")
    return image.convert("RGB")


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as stored, from the header alone. KapbenchError as `read_rgb`."""
    return _of_header(path, lambda image: image.size)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of `read_upright`. KapbenchError as `read_rgb`."""

    def shown(image: Image.Image) -> tuple[int, int]:
        turned = image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE
        width, height = image.size
        # Pillow turns TIFF files itself, and says their size as turned.
        return (height, width) if turned and image.format != "TIFF" else (width, height)

    return _of_header(path, shown)


def _of_header(path: Path, look: Callable[[Image.Image], tuple[int, int]]) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return look(image)
    except FileNotFoundError as error:
        raise KapbenchError(
            "image not found", place=path, fix="fetch the data set again"
        ) from error
    except _BROKEN as error:
        raise KapbenchError(
            f"image cannot be read: {error}", place=path, fix="fetch the data set again"
        ) from error


def read_mask(path: Path, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """True on the object.

    An image of 0 and 255 alone is black and white: 255 is the object. Any other holds class or
    instance numbers as PASCAL VOC does: the object is what is neither 0 nor 255, the boundary.

    Args:
        size: Width and height of the photograph.

    Raises:
        KapbenchError: unreadable, or not of the photograph's size.
    """
    image = _open(path)
    _check_size(image, size, path, "mask", "remove it: boxes are used where no mask is")
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
        found, expected = (f"{w}×{h} px" for w, h in (image.size, size))
        raise KapbenchError(
            f"{what} of {found}, its annotation says {expected}", place=path, fix=fix
        )


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image.copy()
    except FileNotFoundError as error:
        raise KapbenchError(
            "image not found", place=path, fix="fetch the data set again"
        ) from error
    except _BROKEN as error:
        raise KapbenchError(
            f"image cannot be read whole: {error}", place=path, fix="fetch the data set again"
        ) from error
