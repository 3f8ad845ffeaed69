"""A picture inside a square, as the published runs of this field show it to their models."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from kapbench.types import Letterbox, Picture


def letterboxed(picture: Picture, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """Longer side resized to `side` by Lanczos, centred, padded with black."""
    frame = Letterbox(picture.size, side)
    width, height = (max(1, n) for n in frame.resized)
    resized = Image.fromarray(picture.pixels).resize((width, height), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (side, side))
    square.paste(resized, frame.offset)
    return np.asarray(square)
