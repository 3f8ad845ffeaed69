"""What a model is shown of an image: pixels, and only what it declares to look at."""

from collections.abc import Iterable

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset
from kapbench.storage import bytes_hash
from kapbench.types import Picture, View


def make_picture(dataset: Dataset, view: View, conditions_on: Iterable[str]) -> Picture:
    """What the model is shown. KapbenchError where the data set lacks a declared condition."""
    conditions = set(conditions_on)
    mask = dataset.mask(view) if "mask" in conditions else None
    if "mask" in conditions and mask is None:
        raise _missing("mask", dataset, view)
    if "azimuth" in conditions and view.azimuth_bin is None:
        raise _missing("azimuth bin", dataset, view)
    return Picture(
        pixels=dataset.pixels(view),
        image_id=view.image_id,
        category=view.category if "category" in conditions else None,
        mask=mask,
        azimuth_bin=view.azimuth_bin if "azimuth" in conditions else None,
    )


def picture_hash(picture: Picture, *, by_name: bool = False) -> str:
    """Hash of everything that the model receives.

    Args:
        by_name: Whether the image's name is part of it: for saved features.
    """
    parts = [str(picture.pixels.shape).encode(), np.ascontiguousarray(picture.pixels).tobytes()]
    parts.append(repr((picture.category, picture.azimuth_bin)).encode())
    if by_name:
        parts.append(picture.image_id.encode())
    if picture.mask is not None:
        parts.append(np.packbits(picture.mask).tobytes())
    return bytes_hash(parts)


def _missing(what: str, dataset: Dataset, view: View) -> KapbenchError:
    return KapbenchError(
        f"The model looks at the {what}, but {dataset.name} has none for this image",
        place=view.image_id,
        fix="Choose a model that does not condition on it",
    )
