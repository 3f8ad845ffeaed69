"""Reads photographs and masks; an error names the file that is broken."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from kapbench.errors import KapbenchError
from kapbench.untrusted.regular_files import is_file

REFETCH = "Fetch the data set again"
OWN = "Replace the file by the photograph that was annotated"  # of a data set of the user's own
VOID = 255  # a PASCAL VOC mask's boundary: neither object nor background
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations of a quarter turn
# Where Pillow finds an orientation that precedes the pixels of a PNG file.
_PNG_METADATA = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")
_AS_STORED = 1  # the EXIF orientation that changes nothing
# Pillow reads many more, some by programs of their own (EPS by Ghostscript) or by rare decoders.
PHOTOGRAPH_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")


def read_rgb(
    path: Path, size: tuple[int, int] | None = None, fix: str = REFETCH
) -> UInt8[np.ndarray, "h w 3"]:
    """Pixels as stored; an EXIF orientation is ignored, as published evaluators do.

    Args:
        size: Width and height that the annotation states; they are checked.
        fix: What the user should do where the file is wrong.

    Raises:
        KapbenchError: missing, truncated, not an image, or of another size.
    """
    return _read_rgb(path, size, fix, upright=False)


def read_upright(
    path: Path, size: tuple[int, int] | None = None, fix: str = OWN
) -> UInt8[np.ndarray, "h w 3"]:
    """As `read_rgb`, rotated as EXIF says: for annotations made in a viewer that rotates."""
    return _read_rgb(path, size, fix, upright=True)


def read_own(path: Path, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """As `read_rgb`, of a data set of the user's own."""
    return read_rgb(path, size, OWN)


def _read_rgb(
    path: Path, size: tuple[int, int] | None, fix: str, *, upright: bool
) -> UInt8[np.ndarray, "h w 3"]:
    with _opened(path, fix) as file:
        file.load()
        image = ImageOps.exif_transpose(file) if upright else file
        _check_size(image, size, path, "image", fix)
        return np.asarray(_as_rgb(image, path))


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


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an image file states.

    Args:
        stored: Width and height as stored: those of `read_rgb`.
        upright: Width and height of `read_upright`.
        is_turned: Whether the two readings differ, in size or only in content.
    """

    stored: tuple[int, int]
    upright: tuple[int, int]
    is_turned: bool


def read_header(path: Path, fix: str = OWN) -> Header:
    """KapbenchError as `read_rgb`; the pixels are not read, unless a PNG file hides its EXIF."""
    with _opened(path, fix) as image:
        orientation = _AS_STORED
        if _may_be_turned(image, path):
            orientation = image.getexif().get(ExifTags.Base.Orientation, _AS_STORED)
        width, height = stored = image.size
        is_turned = orientation in range(2, 9)
        sideways = orientation in _ON_ITS_SIDE
        return Header(stored, (height, width) if sideways else stored, is_turned)


def _may_be_turned(image: Image.Image, path: Path) -> bool:
    """Whether an opened image may state an orientation that Pillow does not follow itself.

    Pillow rotates TIFF files itself; their size is that of the rotated image. Of a PNG file without
    EXIF before its pixels, it would decode all pixels to look behind them.
    """
    if image.format == "PNG" and not any(key in image.info for key in _PNG_METADATA):
        return _has_metadata_at_the_end(path)
    return image.format != "TIFF"


def _has_metadata_at_the_end(path: Path) -> bool:
    """Whether a PNG file has EXIF or texts, which may be EXIF or XMP, behind its pixels."""
    is_behind = False
    with path.open("rb") as file:
        file.seek(8)  # the signature; then chunks of length, kind, content and checksum
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            is_behind |= kind == b"IDAT"
            if is_behind and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            file.seek(length + 4, 1)
    return False


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as stored, from the header alone. KapbenchError as `read_rgb`."""
    with _opened(path, REFETCH) as image:
        return image.size


def find_file(folder: Path, name: str) -> Path:
    """The file of a name that may have been written on Windows, with backslashes.

    A file whose name has backslashes itself, as some programs unpack archives, comes first.
    """
    literal = folder / name
    return literal if is_file(literal) else folder / with_slashes(name)


def with_slashes(name: str) -> str:
    """A relative path as it is written everywhere but on Windows."""
    return name.replace("\\", "/")


_NO_MASK_NEEDED = "Replace it, or remove it: boxes take the place of missing masks"


def read_mask(
    path: Path, size: tuple[int, int], *, fix: str = _NO_MASK_NEEDED
) -> Bool[np.ndarray, "h w"]:
    """True on the object.

    In an image of 0 and 255 only, 255 is the object. Any other image has class or instance
    numbers as in PASCAL VOC: the object is all but 0 (background) and 255 (boundary).

    Args:
        size: Width and height of the photograph.
        fix: What the error advises.

    Raises:
        KapbenchError: unreadable, or not of the photograph's size.
    """
    with _opened(path, fix) as image:
        image.load()
        _check_size(image, size, path, "mask", fix)
        values = np.asarray(image.convert("L") if len(image.getbands()) > 1 else image)
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


@contextmanager
def _opened(path: Path, fix: str) -> Iterator[Image.Image]:
    """The image for what reads it. KapbenchError for any error of it: Pillow raises many types."""
    try:
        if path.exists() and not path.is_file():
            raise KapbenchError(
                "This is a folder, a pipe or a device, not an image", place=path, fix=fix
            )
        with Image.open(path, formats=PHOTOGRAPH_FORMATS) as image:
            yield image
    except KapbenchError:
        raise
    except FileNotFoundError as error:
        raise KapbenchError("The image does not exist", place=path, fix=fix) from error
    except UnidentifiedImageError as error:
        raise KapbenchError(
            f"The image cannot be read: it is none of {', '.join(PHOTOGRAPH_FORMATS)}",
            place=path,
            fix=fix,
        ) from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise KapbenchError(f"The image cannot be read: {reason}", place=path, fix=fix) from error
