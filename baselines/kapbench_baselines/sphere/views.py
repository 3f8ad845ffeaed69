"""What training sees: views of each image, and their mirror images, as pooled tokens.

The backbone runs once over every view; tokens are kept on disk, so that epochs cost no encoding
and an interrupted preparation goes on where it stopped.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16, Int, UInt8
from PIL import Image
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.models.inputs import make_picture, picture_hash
from kapbench.protocols import Dataset, Encoder, model_info
from kapbench.storage import bytes_hash, fingerprint
from kapbench.types import AZIMUTH_BINS, Picture, View
from kapbench_baselines.sphere.settings import Augmentation
from kapbench_baselines.training.tensor_files import read_tensors, write_tensors

Square = tuple[float, float, float]  # centre x, centre y, side; original pixels
Box = tuple[float, float, float, float]  # centre x, centre y, width, height
RATIO = (3 / 4, 4 / 3)  # width to height of resized crops
_TRIES = 10


@dataclass(frozen=True)
class TokenViews:
    """Tokens of n images in v views each; with `mirrors` view 2i + 1 is the mirror image of 2i."""

    tokens: Float16[Tensor, "n v t c"]  # t = grid * grid, row by row
    coverage: Float16[Tensor, "n v t"]  # share of each cell on the object
    azimuth_bin: Int[Tensor, "n v"]  # -1 unknown
    category: Int[Tensor, "n"]
    grid: int
    masks: dict[str, int]  # images by where their object came from: "mask" or "box"
    mirrors: bool = True


def mirrored_bin(azimuth_bin: int | None) -> int:
    """Azimuth bin of the mirror image: left and right change places. -1 where unknown."""
    return -1 if azimuth_bin is None else -azimuth_bin % AZIMUTH_BINS


def squares(view: View, augmentation: Augmentation, rng: np.random.Generator) -> list[Square]:
    """The whole letterbox, then squares around the object of random side and shift."""
    w, h = view.size
    x1, y1, x2, y2 = view.bbox
    side, shift = max(x2 - x1, y2 - y1, 1), augmentation.shift
    low, high = (math.log(s) for s in augmentation.side)
    regions = [(w / 2, h / 2, float(max(w, h)))]
    for _ in range(augmentation.crops):
        dx, dy = rng.uniform(-shift, shift, size=2) * side
        scale = math.exp(rng.uniform(low, high))
        regions.append(((x1 + x2) / 2 + dx, (y1 + y2) / 2 + dy, side * scale))
    return regions


def resized_crops(
    size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
) -> list[Box]:
    """Parts of an image as torchvision's RandomResizedCrop draws them: by area, then by ratio.

    Each has ten tries to lie within the image; then it is the largest in the middle whose ratio is
    allowed. So an `area` above 1 says how often the whole is seen, never more than the whole.
    """
    return [_resized_crop(size, augmentation, rng) for _ in range(augmentation.crops)]


def _resized_crop(
    size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
) -> Box:
    assert augmentation.area is not None
    w, h = size
    for _ in range(_TRIES):
        area = w * h * rng.uniform(*augmentation.area)
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        width, height = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if width <= w and height <= h:
            x, y = rng.uniform(0, w - width), rng.uniform(0, h - height)
            return x + width / 2, y + height / 2, width, height
    low, high = RATIO
    return w / 2, h / 2, min(w, h * high), min(h, w / low)


def cut(
    image: UInt8[np.ndarray, "h w *c"], region: Square | Box, side_px: int, padding: int = 0
) -> UInt8[np.ndarray, "s s *c"]:
    """A part of the image as a square; grey of level `padding` where it reaches beyond."""
    x, y, width = region[:3]
    height = region[-1]
    size = (side_px, side_px)
    pad = math.ceil(max(width, height)) + 1  # more than enough for a centre near the image
    picture = Image.fromarray(image)
    level = (padding,) * len(picture.getbands()) if image.ndim > 2 else padding
    wide = Image.new(picture.mode, (picture.width + 2 * pad, picture.height + 2 * pad), level)
    wide.paste(picture, (pad, pad))
    left, top = x - width / 2 + pad, y - height / 2 + pad
    filter_ = Image.Resampling.BOX if image.ndim == 2 else Image.Resampling.BICUBIC
    return np.asarray(wide.resize(size, filter_, box=(left, top, left + width, top + height)))


def object_map(dataset: Dataset, view: View) -> tuple[UInt8[np.ndarray, "h w"], str]:
    """255 on the object, by its mask, or by its box where there is none; and which it was."""
    mask = dataset.mask(view)
    if mask is not None and mask.any():
        return mask.astype(np.uint8) * 255, "mask"
    w, h = view.size
    x1, y1, x2, y2 = (round(b) for b in view.bbox)
    filled = np.zeros((h, w), np.uint8)
    filled[max(y1, 0) : max(y2, 1), max(x1, 0) : max(x2, 1)] = 255
    return filled, "box"


def prepare(
    dataset: Dataset,
    views: Sequence[View],
    categories: Sequence[str],
    backbone: Encoder,
    augmentation: Augmentation,
    cache: Path,
    advance: Callable[[int], None] = lambda _: None,
) -> TokenViews:
    """Tokens of all views of the images, encoded where the cache has none.

    Raises:
        KapbenchError: a backbone that knows images by name; the data set does not have a condition
            of the backbone for an image.
    """
    check_sees_pixels(backbone)
    kept, masks = [], {"mask": 0, "box": 0}
    for view in views:
        picture = make_picture(dataset, view, backbone.conditions_on)
        on_object, source = object_map(dataset, view)
        masks[source] += 1
        path = cache / f"{_key(backbone, view, picture, on_object, augmentation)}.safetensors"
        if not path.is_file():
            tokens, coverage = _encode(backbone, view, picture, on_object, augmentation)
            write_tensors(path, {"tokens": tokens, "coverage": coverage}, {})
        kept.append(read_tensors(path, "Delete the file: it is made again")[0])
        advance(1)
    tokens = torch.stack([k["tokens"] for k in kept])
    return TokenViews(
        tokens=tokens,
        coverage=torch.stack([k["coverage"] for k in kept]),
        azimuth_bin=torch.tensor([_bins(v, tokens.shape[1], augmentation) for v in views]),
        category=torch.tensor([list(categories).index(v.category) for v in views]),
        grid=augmentation.grid,
        masks=masks,
        mirrors=augmentation.encodes_mirrors,
    )


def _key(
    backbone: Encoder,
    view: View,
    picture: Picture,
    on_object: np.ndarray,
    augmentation: Augmentation,
) -> str:
    return fingerprint(
        backbone.name,
        backbone.revision,
        augmentation.as_dict(),
        view.bbox,
        picture_hash(picture),
        bytes_hash([on_object.tobytes()]),
    )


def _bins(view: View, n_views: int, augmentation: Augmentation) -> list[int]:
    own = -1 if view.azimuth_bin is None else view.azimuth_bin
    if not augmentation.encodes_mirrors:
        return [own] * n_views
    return [own, mirrored_bin(view.azimuth_bin)] * (n_views // 2)


def pooled(
    values: Float[np.ndarray, "c h w"], cells: int | tuple[int, int]
) -> Float[Tensor, "t c"]:
    """A map averaged onto fewer cells (rows, columns), row by row."""
    map_ = torch.from_numpy(np.ascontiguousarray(values)).float()
    return torch.nn.functional.adaptive_avg_pool2d(map_, cells).flatten(1).T


def check_sees_pixels(backbone: Encoder) -> None:
    if model_info(backbone).reads_image_id:
        raise KapbenchError(
            f"Backbone '{backbone.name}' reads saved features by the image's name: every crop would "
            "get the features of the whole image",
            fix="Choose the encoder that made the features, e.g. --backbone lite0",
        )


def _encode(
    backbone: Encoder,
    view: View,
    picture: Picture,
    on_object: UInt8[np.ndarray, "h w"],
    augmentation: Augmentation,
) -> tuple[Float16[Tensor, "v t c"], Float16[Tensor, "v t"]]:
    # The image's own name seeds its crops: any order, any subset and any machine gives the same.
    seed = int(fingerprint(view.image_id, augmentation.seed), 16)
    rng = np.random.default_rng(seed)
    regions: Sequence[Square | Box] = (
        squares(view, augmentation, rng)
        if augmentation.area is None
        else resized_crops(view.size, augmentation, rng)
    )
    tokens, coverage = [], []
    for region in regions:
        crop = _crop(picture, region, augmentation.side_px, model_info(backbone).padding)
        cover = cut(on_object, region, 4 * augmentation.grid)
        n = 2 if augmentation.encodes_mirrors else 1
        maps = backbone.encode([crop, mirrored(crop)][:n])
        tokens += [pooled(m.values, augmentation.grid) for m in maps]
        covers = (cover, cover[:, ::-1])[:n]
        coverage += [pooled(c[None] / 255, augmentation.grid)[:, 0] for c in covers]
    return torch.stack(tokens).half(), torch.stack(coverage).half()


def _crop(picture: Picture, region: Square | Box, side_px: int, padding: int) -> Picture:
    """The picture cut to a region, and its mask with it."""
    mask = None if picture.mask is None else picture.mask.astype(np.uint8) * 255
    return replace(
        picture,
        pixels=cut(picture.pixels, region, side_px, padding),
        mask=None if mask is None else cut(mask, region, side_px) > 127,
    )


def mirrored(picture: Picture) -> Picture:
    """The mirror image of a picture, with its mask and azimuth."""
    azimuth, mask = picture.azimuth_bin, picture.mask
    return replace(
        picture,
        pixels=np.ascontiguousarray(picture.pixels[:, ::-1]),
        mask=None if mask is None else np.ascontiguousarray(mask[:, ::-1]),
        azimuth_bin=None if azimuth is None else mirrored_bin(azimuth),
    )
