"""What a model is shown of an image: pixels, and only what it declares to look at."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset
from kapbench.storage import bytes_hash
from kapbench.types import Picture, View


def read_only(array: np.ndarray) -> np.ndarray:
    """A copy that cannot be written, so that no model changes what others are shown.

    A model that works in place makes its own: `pixels.copy()`, `np.array(pixels)` or
    `PIL.Image.fromarray(pixels)`. torch.from_numpy warns of it, and does not keep a model from
    writing: what it writes is in this copy, and no other call gets that.
    """
    copy = np.array(array)
    copy.setflags(write=False)
    return copy


def make_picture(dataset: Dataset, view: View, conditions_on: Iterable[str]) -> Picture:
    """What the model is shown, in read-only arrays of its own.

    Raises:
        KapbenchError: the data set lacks a declared condition.
    """
    conditions = set(conditions_on)
    mask = dataset.mask(view) if "mask" in conditions else None
    if "mask" in conditions and mask is None:
        raise _missing("mask", dataset, view)
    if "azimuth" in conditions and view.azimuth_bin is None:
        raise _missing("azimuth bin", dataset, view)
    return Picture(
        pixels=read_only(dataset.pixels(view)),
        image_id=view.image_id,
        category=view.category if "category" in conditions else None,
        mask=None if mask is None else read_only(mask),
        azimuth_bin=view.azimuth_bin if "azimuth" in conditions else None,
    )


def copy_picture(picture: Picture) -> Picture:
    """The same picture in arrays of its own, for another call of a model."""
    mask = None if picture.mask is None else read_only(picture.mask)
    return replace(picture, pixels=read_only(picture.pixels), mask=mask)


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
