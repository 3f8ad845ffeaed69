"""A picture inside a square, as the published runs of this field show it to their models."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from kapbench.types import Letterbox, Picture


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
