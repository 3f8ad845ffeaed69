"""sift: dense descriptors of gradient histograms, the classic before learned features.

DAISY (Tola, Lepetit, Fua 2010): SIFT's histograms on rings around every cell, made to be dense;
scikit-image's implementation.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64

from kapbench.errors import KapbenchError
from kapbench.models.letterbox import letterboxed
from kapbench.protocols import Condition
from kapbench.types import FeatureMap, Grid, Picture

CELLS, STEP, FRAME_PX = 60, 8, 840
_LUMINANCE = np.array([0.299, 0.587, 0.114]) / 255


class Sift:
    """Dense gradient histograms (DAISY): 200 numbers at each of 60×60 cells of a 480 px letterbox.

    Args:
        radius: Of the outermost ring, px of the letterbox.

    Raises:
        KapbenchError: a radius that leaves no room for rings.
    """

    name = "sift"
    conditions_on: tuple[Condition, ...] = ()
    similarity: Literal["dot", "neg_l2"] = "dot"
    supervision = "none"
    trained_on = None
    padding = 127

    def __init__(self, radius: int = 48) -> None:
        if radius < STEP:
            raise KapbenchError(
                f"The radius is {radius}", place="sift", fix=f"Give {STEP} px or more"
            )
        self.radius = radius
        self.revision = f"daisy-{CELLS * STEP}px-r{radius}"
        self.options = {"radius": radius}

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[200 60 60] float32 per picture."""
        return [
            FeatureMap(self._daisy(p), Grid.letterbox(p.size, CELLS, FRAME_PX)) for p in pictures
        ]

    def _daisy(self, picture: Picture) -> Float32[np.ndarray, "200 60 60"]:
        import skimage.feature

        daisy: Any = skimage.feature.daisy

        square = letterboxed(picture, CELLS * STEP, padding=self.padding)
        grey: Float64[np.ndarray, "h w"] = square @ _LUMINANCE
        # The first descriptor is a radius from the border and has to be half a cell from it.
        before, after = self.radius - STEP // 2, self.radius + STEP // 2
        around = np.pad(grey, (before, after), mode="edge")
        descriptors = daisy(around, step=STEP, radius=self.radius, normalization="daisy")
        return np.asarray(descriptors[:CELLS, :CELLS].transpose(2, 0, 1), np.float32)
