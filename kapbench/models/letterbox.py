"""A picture inside a square, as the published runs of this field show it to their models."""

from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from kapbench.types import Grid, Letterbox, Picture

# As rules name the images of published runs, see `PublishedInput`.
Padding = Literal["centre-black", "centre-white", "corner-white", "stretch"]
_WHITE = (255, 255, 255)


def letterboxed(
    picture: Picture,
    side: int,
    resample: Image.Resampling = Image.Resampling.LANCZOS,
    padding: int = 0,
) -> UInt8[np.ndarray, "side side 3"]:
    """Longer side resized to `side`, centred, padded with grey of level `padding`.

    The defaults, Lanczos and black, are those of the published runs.
    """
    frame = Letterbox(picture.size, side)
    width, height = (max(1, n) for n in frame.resized)
    resized = Image.fromarray(picture.pixels).resize((width, height), resample)
    square = Image.new("RGB", (side, side), (padding,) * 3)
    square.paste(resized, frame.offset)
    return np.asarray(square)


def squared(picture: Picture, side: int, padding: Padding) -> UInt8[np.ndarray, "side side 3"]:
    """A picture made a square of `side` px.

    Args:
        padding: "centre-black": `letterboxed`. "corner-white", "centre-white": padded to a square
            with white at the right and bottom, or on all sides by whole pixels, and then resized
            bicubically (OmniProbe, Probe3D). "stretch": resized bilinearly, each side on its own
            (CHM).
    """
    if padding == "centre-black":
        return letterboxed(picture, side)
    image = Image.fromarray(picture.pixels)
    if padding == "stretch":
        return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
    square = Image.new("RGB", (max(image.size),) * 2, _WHITE)
    square.paste(image, _corner(picture.size, padding))
    return np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))


def square_grid(size: tuple[int, int], cells: int, side: int, padding: Padding) -> Grid:
    """`cells` × `cells` over the square that `squared` makes of an image (width, height)."""
    if padding == "centre-black":
        return Grid.letterbox(size, cells, side)
    if padding == "stretch":
        return Grid.stretched(size, cells, cells)
    x, y = _corner(size, padding)
    long_px = max(size)
    return Grid(cells, cells, (-x, -y, long_px - x, long_px - y))


def _corner(size: tuple[int, int], padding: Padding) -> tuple[int, int]:
    """Where the image's top-left corner lies in the padded square."""
    if padding == "corner-white":
        return 0, 0
    x, y = ((max(size) - s) // 2 for s in size)
    return x, y
