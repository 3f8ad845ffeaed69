"""Image files without annotation, in the form of a data set without pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

from kapbench.datasets.images import read_upright
from kapbench.errors import KapbenchError
from kapbench.storage import bytes_hash, file_hash
from kapbench.types import Coverage, Keypoints, Pair, View

REPLACE = "Give a photograph that an image viewer can open"
CATEGORY = "photograph"


class Photographs:
    """The files in their order, rotated as their EXIF orientation says.

    A view's image_id is the path as it was written, and its box is the whole image. The pixels are
    read once and kept.

    Raises:
        KapbenchError: a file is missing, damaged or not an image, or is listed twice.
    """

    name, split = "photographs", "test"
    licence, citation = "unknown", ""
    size_from: Literal["box", "image"] = "image"
    has_absent = False

    def __init__(self, paths: Sequence[Path]) -> None:
        self._pixels: dict[str, UInt8[np.ndarray, "h w 3"]] = {}
        for path in paths:
            if str(path) in self._pixels:
                raise KapbenchError("The image is listed twice", place=path, fix="List it once")
            self._pixels[str(path)] = read_upright(path, fix=REPLACE)
        self.revision = bytes_hash([file_hash(path).encode() for path in paths])

    @property
    def categories(self) -> tuple[str, ...]:
        return (CATEGORY,)

    @property
    def coverage(self) -> Coverage:
        return Coverage((CATEGORY,), (CATEGORY,), 0, 0)

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:  # noqa: ARG002
        return ()

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:  # noqa: ARG002
        return [_view(name, pixels) for name, pixels in self._pixels.items()]

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        return self._pixels[view.image_id]

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:  # noqa: ARG002
        return None


def _view(image_id: str, pixels: UInt8[np.ndarray, "h w 3"]) -> View:
    height, width = pixels.shape[:2]
    none = Keypoints(np.empty((0, 2)), np.empty(0, bool))
    return View(image_id, CATEGORY, (width, height), (0.0, 0.0, float(width), float(height)), none)
