"""Two images in the form of a data set without annotation, so that any model can be shown them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, UInt8

from kapbench.datasets.images import read_mask, read_upright
from kapbench.errors import KapbenchError, with_article
from kapbench.storage import bytes_hash
from kapbench.types import Coverage, Keypoints, Pair, View

ImageLike: TypeAlias = Any  # str, Path, PIL.Image.Image, or uint8 [h w 3] or [h w]
MaskLike: TypeAlias = Any  # str, Path, or bool [h w]
_REPLACE = "Give a photograph that an image viewer can open"


@dataclass(frozen=True, eq=False)
class NamedImage:
    """An image with what is known of it. `mask`: True on the object; None: unknown."""

    name: str
    pixels: UInt8[np.ndarray, "h w 3"]
    mask: Bool[np.ndarray, "h w"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width, height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def view(self, category: str) -> View:
        """The whole image as a view without keypoints."""
        none = Keypoints(np.empty((0, 2)), np.empty(0, bool))
        width, height = self.size
        box = (0.0, 0.0, float(width), float(height))
        return View(self.name, category, self.size, box, none)


def read_image(image: ImageLike, mask: MaskLike = None, *, name: str) -> NamedImage:
    """An image from a file, rotated as its EXIF orientation says, from Pillow or from an array.

    Args:
        name: Of an image that has no file.

    Raises:
        KapbenchError: a file that cannot be read; another object; a mask of another size.
    """
    if isinstance(image, str | Path):
        path = Path(image).expanduser()
        name, pixels = str(image), read_upright(path, fix=_REPLACE)
    else:
        pixels = _pixels(image, name)
    size = pixels.shape[1], pixels.shape[0]
    return NamedImage(name, pixels, None if mask is None else _mask(mask, size, name))


def _pixels(image: Any, name: str) -> UInt8[np.ndarray, "h w 3"]:
    from PIL import Image

    array = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
    if array.dtype == np.uint8 and array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        what = with_article(type(image).__name__)
        shape = f" of {array.dtype}, shape {list(array.shape)}" if array.ndim else ""
        raise KapbenchError(
            f"The {name} is {what}{shape}, not an image",
            fix="Give a path, an image of Pillow, or an array of uint8 of shape [height, width, 3]",
        )
    return array


def _mask(mask: Any, size: tuple[int, int], name: str) -> Bool[np.ndarray, "h w"]:
    if isinstance(mask, str | Path):
        return read_mask(
            Path(mask).expanduser(),
            size,
            fix="Give a mask of the image's size, white on the object",
        )
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.shape != size[::-1]:
        raise KapbenchError(
            f"The mask of {name} has type {array.dtype} and shape {list(array.shape)}",
            fix=f"Give an array of bool of shape [{size[1]}, {size[0]}], True on the object",
        )
    return array


class ImagePair:
    """A source and a target as a data set of one pair.

    Raises:
        KapbenchError: both have one name.
    """

    name, split = "images", "test"
    licence, citation = "unknown", ""
    size_from: Literal["box", "image"] = "image"
    has_absent = False

    def __init__(self, source: NamedImage, target: NamedImage, category: str | None = None) -> None:
        if source.name == target.name:
            raise KapbenchError(
                "The source and the target are the same image",
                place=source.name,
                fix="Name another target",
            )
        self.images = {image.name: image for image in (source, target)}
        self.categories: tuple[str, ...] = ("image" if category is None else category,)
        self.revision = bytes_hash([image.pixels.tobytes() for image in self.images.values()])
        source_view, target_view = self.views()
        none = np.empty(0, np.int64)
        pair_id = f"{source.name}>{target.name}"
        self.pair = Pair(pair_id, source_view, target_view, float(max(target.size)), none, none)

    @property
    def coverage(self) -> Coverage:
        return Coverage(self.categories, self.categories, 1, 1)

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:  # noqa: ARG002
        return (self.pair,)

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:  # noqa: ARG002
        """The source's, then the target's."""
        return [image.view(self.categories[0]) for image in self.images.values()]

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        return self.images[view.image_id].pixels

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        return self.images[view.image_id].mask
