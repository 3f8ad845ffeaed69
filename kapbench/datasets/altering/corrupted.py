"""`corrupt`: every image is shown with noise, blur, weather or a digital corruption."""

import numpy as np
from jaxtyping import UInt8

from kapbench.datasets.altering.altered import Altered
from kapbench.datasets.altering.corruption_names import NAMES, parse_corruption
from kapbench.protocols import Dataset
from kapbench.types import View


class Corrupted(Altered):
    """The images of a data set, each with the same corruption; keypoints and masks stay.

    Args:
        corruption: Name and severity: fog:3.

    Raises:
        KapbenchError: no such corruption.
    """

    def __init__(self, original: Dataset, corruption: str) -> None:
        name, severity = parse_corruption(corruption)
        words = name.replace("_", " ")
        remark = f"Images are corrupted: {words} of severity {severity} of 5"
        super().__init__(original, f"{name}-{severity}", remark)

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        from kapbench.datasets.altering.corruptions.apply import corrupt_pixels

        name, _, severity = self.alteration.rpartition("-")
        return corrupt_pixels(self.original.pixels(view), name, int(severity), view.image_id)


def corruption_of(alteration: str) -> str | None:
    """`fog:3` of the alteration `fog-3`; None where the alteration is not a corruption."""
    name, _, severity = alteration.rpartition("-")
    return f"{name}:{severity}" if name in NAMES else None
