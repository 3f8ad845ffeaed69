"""Masks of target images, read once before pairs are scored, so that no scorer needs the data set."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset
from kapbench.types import View

_FASTEST = 1  # of zlib: a mask takes a hundredth of its bits


@dataclass(frozen=True)
class TargetMasks:
    """Masks by image id, packed: any process can be sent them."""

    packed: dict[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, dataset: Dataset, views: Iterable[View]) -> "TargetMasks":
        """Reads the masks of these images, in order; images without one are left out.

        Raises:
            KapbenchError: a mask that cannot be read, or that does not fit its image.
        """
        masks = ((view, dataset.mask(view)) for view in views)
        packed = {v.image_id: _pack(v, mask, dataset) for v, mask in masks if mask is not None}
        return cls(packed)

    def __call__(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        """True on the object; None where the data set has no mask of it."""
        if view.image_id not in self.packed:
            return None
        width, height = view.size
        bits = np.frombuffer(zlib.decompress(self.packed[view.image_id]), np.uint8)
        return np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)


def _pack(view: View, mask: np.ndarray, dataset: Dataset) -> bytes:
    width, height = view.size
    if mask.dtype != bool or mask.shape != (height, width):
        raise KapbenchError(
            f"The mask has the type {mask.dtype} and the shape {list(mask.shape)}, but an image of "
            f"{width}×{height} px needs truth values of the shape {[height, width]}",
            place=f"{dataset.name}, image {view.image_id}",
            fix="Correct the method mask() of the data set",
        )
    return zlib.compress(np.packbits(mask).tobytes(), _FASTEST)
