"""Where the object is in an image: by its mask, or else by its bounding box."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int8

from kapbench.types import View

# As column `extent` has them.
NOTHING: Final = 0
BOX: Final = 1
MASK: Final = 2
UNKNOWN = -1  # whether a point lies on an object of which nothing says where it is


@dataclass(frozen=True, slots=True)
class Extent:
    """The object's pixels in one image.

    `kind`: what they are known from. `box`: x1, y1, x2, y2, original pixels.
    """

    kind: Literal[0, 1, 2]
    box: tuple[float, float, float, float]
    mask: Bool[np.ndarray, "h w"] | None = None

    @classmethod
    def of(cls, view: View, mask: Bool[np.ndarray, "h w"] | None) -> "Extent":
        """By the mask where it has a pixel, else by the box where it says something.

        A box that is the whole image, or exactly the one around the visible keypoints, stands in
        for one that the data set does not have: it does not say where the object is.
        """
        if mask is not None and mask.any():
            return cls(MASK, view.bbox, mask)
        return cls(NOTHING if _stands_in(view) else BOX, view.bbox)

    def holds(self, xy: Float64[np.ndarray, "q 2"]) -> Int8[np.ndarray, "q"]:
        """1 where a point lies on the object, 0 where it does not, -1 where that is unknown.

        A point lies on a mask where the pixel that holds it does, so never outside the image; a box
        has its border.

        Args:
            xy: Original pixels.
        """
        if self.kind == NOTHING:
            return np.full(len(xy), UNKNOWN, np.int8)
        if self.mask is None:
            (x1, y1, x2, y2), (x, y) = self.box, xy.T
            within = (x1 <= x) & (x <= x2) & (y1 <= y) & (y <= y2)
            return np.asarray(within, np.int8)
        height, width = self.mask.shape
        pixel = np.floor(xy)
        within = ((pixel >= 0) & (pixel < (width, height))).all(axis=1)
        on_object = np.zeros(len(xy), np.int8)
        column, row = pixel[within].astype(np.int64).T
        on_object[within] = self.mask[row, column]
        return on_object


def _stands_in(view: View) -> bool:
    """Whether an image's box was made from its size or its keypoints, as far as they show it."""
    x1, y1, x2, y2 = view.bbox
    width, height = view.size
    if x1 <= 0 and y1 <= 0 and x2 >= width and y2 >= height:
        return True
    xy = view.keypoints.xy[view.keypoints.visible]
    if not len(xy):
        return False
    around = (*xy.min(axis=0).tolist(), *xy.max(axis=0).tolist())
    return around == (x1, y1, x2, y2)
