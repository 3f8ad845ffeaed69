"""Warped views of images with, for every token, where in the image it looks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float16, Float32, Int, UInt8
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset, Encoder, model_info
from kapbench.storage import fingerprint
from kapbench.types import Picture, View
from kapbench_baselines.canonical import square_views, tps_warps
from kapbench_baselines.canonical.square_views import SquareWarping
from kapbench_baselines.canonical.tps_warps import TpsWarping
from kapbench_baselines.canonical.view_pixels import object_cells, sampled
from kapbench_baselines.sphere.views import encode_views, pooled


@dataclass(frozen=True, slots=True)
class Warping:
    """Warps of an image. Sides and shifts are in units of the box's longer side."""

    n_warps: int = 6  # an image, beside its box as it is
    side: tuple[float, float] = (1.0, 2.0)
    shift: float = 0.15
    turn: float = 25.0  # degrees, to either side
    bend: float = 0.08  # of the view's side: largest push of a 4 × 4 mesh
    grid: int = 20  # tokens a side
    side_px: int = 384
    seed: int = 0


@dataclass(frozen=True)
class WarpedTokens:
    """Tokens of n images in w views each; view 0 is the box as it is."""

    tokens: Float16[Tensor, "n w t c"]  # t = grid * grid, row by row
    xy: Float32[Tensor, "n w t 2"]  # where in the image, from the box's centre, box side = 1; or as
    # `tps_warps.encode` has it
    on_object: Bool[Tensor, "n w t"]
    category: Int[Tensor, "n"]
    grid: int
    masks: dict[str, int]  # images by where their object came from: "mask" or "box"


def places(
    view: View, warping: Warping, rng: np.random.Generator | None, side_px: int
) -> Float32[Tensor, "s s 2"]:
    """Original pixel (x, y) at every pixel's centre of a warped view; without rng the box as it is."""
    x0, y0, x1, y1 = view.bbox
    unit = max(x1 - x0, y1 - y0, 1.0)
    centre = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2], dtype=torch.float32)
    line = (torch.arange(side_px) + 0.5) / side_px - 0.5
    square = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
    if rng is None:
        return square * unit * 1.1 + centre
    mesh = torch.from_numpy(rng.uniform(-warping.bend, warping.bend, (1, 2, 4, 4))).float()
    pushed = functional.interpolate(mesh, (side_px, side_px), mode="bicubic", align_corners=True)
    square = square + pushed[0].permute(1, 2, 0)
    angle = math.radians(rng.uniform(-warping.turn, warping.turn))
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    low, high = (math.log(s) for s in warping.side)
    side = unit * math.exp(rng.uniform(low, high))
    shift = torch.from_numpy(rng.uniform(-warping.shift, warping.shift, 2)).float() * unit
    return square @ turn * side + centre + shift


def prepare(
    dataset: Dataset,
    views: Sequence[View],
    categories: Sequence[str],
    backbone: Encoder,
    warping: Warping | TpsWarping | SquareWarping,
    cache: Path,
    advance: Callable[[int], None] = lambda _: None,
) -> WarpedTokens:
    """Tokens of all views of the images, encoded where the cache has none.

    Raises:
        KapbenchError: a backbone that knows images by name, or one that looks at masks or azimuths.
    """
    _check_warps_all(backbone)
    if isinstance(warping, TpsWarping):
        encode = partial(tps_warps.encode, backbone=backbone, warping=warping)
    elif isinstance(warping, SquareWarping):
        encode = partial(square_views.encode, backbone=backbone, warping=warping)
    else:
        encode = partial(_encode, backbone=backbone, warping=warping)
    stacked, masks = encode_views(dataset, views, backbone, asdict(warping), encode, cache, advance)
    return WarpedTokens(
        tokens=stacked["tokens"],
        xy=stacked["xy"],
        on_object=stacked["on_object"].bool(),
        category=torch.tensor([list(categories).index(v.category) for v in views]),
        grid=warping.grid,
        masks=masks,
    )


def _check_warps_all(backbone: Encoder) -> None:
    """Raises KapbenchError where it looks at what is not warped with the pixels."""
    if still := [c for c in backbone.conditions_on if c in ("mask", "azimuth")]:
        raise KapbenchError(
            f"Backbone '{backbone.name}' looks at {' and '.join(still)} beside the pixels, but only "
            "pixels are warped",
            fix="Choose a backbone that looks at pixels only, e.g. --backbone lite0",
        )


def _encode(
    view: View,
    picture: Picture,
    on_object: UInt8[np.ndarray, "h w"],
    backbone: Encoder,
    warping: Warping,
) -> dict[str, Tensor]:
    # The image's own name seeds its warps: any order, any subset and any machine gives the same.
    rng = np.random.default_rng(int(fingerprint(view.image_id, warping.seed), 16))
    x0, y0, x1, y1 = view.bbox
    centre, unit = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2]), max(x1 - x0, y1 - y0, 1.0)
    parts: dict[str, list[Tensor]] = {"tokens": [], "xy": [], "on_object": []}
    padding = model_info(backbone).padding
    for i in range(warping.n_warps + 1):
        at = places(view, warping, rng if i else None, warping.side_px)
        pixels = sampled(picture.pixels, at, padding)
        feature_map = backbone.encode([replace(picture, pixels=pixels)])[0]
        parts["tokens"].append(pooled(feature_map.values, warping.grid).half())
        parts["on_object"].append(object_cells(on_object, at, warping.grid))
        middle = pooled(at.permute(2, 0, 1).numpy(), warping.grid)
        parts["xy"].append(((middle - centre) / unit).float())
    return {key: torch.stack(values) for key, values in parts.items()}
