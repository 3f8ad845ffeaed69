"""Reading photographs and masks whole, or saying which one is broken."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, UnidentifiedImageError

from kapbench.errors import KapbenchError

BOUNDARY = 255  # a VOC mask's void pixels: neither object nor background


def read_rgb(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """Pixels as stored; an EXIF orientation is ignored, as published evaluators do.

    Raises:
        KapbenchError: missing, truncated, or no image.
    """
    return np.asarray(_open(path).convert("RGB"))


def read_mask(path: Path, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """True where a mask image is neither 0 nor void.

    Raises:
        KapbenchError: unreadable, or not of the image's size (w, h).
    """
    values = np.asarray(_open(path))
    if values.ndim == 3:  # noqa: PLR2004
        values = values.max(axis=2)
    if values.shape != (size[1], size[0]):
        raise KapbenchError(
            f"mask of {values.shape[1]}×{values.shape[0]} px for an image of {size[0]}×{size[1]}",
            place=path,
            fix="fetch the data set again, or remove the mask: boxes are used where one is missing",
        )
    if values.max(initial=0) == BOUNDARY and set(np.unique(values)) <= {0, BOUNDARY}:
        return np.asarray(values == BOUNDARY)  # black and white: 255 is the object
    return np.asarray((values > 0) & (values != BOUNDARY))


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image.copy()
    except FileNotFoundError as error:
        raise KapbenchError(
            "image not found", place=path, fix="fetch the data set again"
        ) from error
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise KapbenchError(
            f"image cannot be read whole: {error}", place=path, fix="fetch the data set again"
        ) from error
