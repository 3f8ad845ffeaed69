"""The published warps of DVE: pairs of views by thin-plate splines with random weights.

Thewlis et al. 2019; constants of `Warper` in utils/tps.py of github.com/jamt9000/DVE. A place is a pair
of coordinates in −1 … 1 of a frame of 100 px, of which the middle 70 px are the view.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from kapbench.protocols import Encoder, model_info
from kapbench.storage import fingerprint
from kapbench.types import Picture, View
from kapbench_baselines.canonical.view_pixels import object_cells, sampled
from kapbench_baselines.sphere.views import pooled

FRAME_PX, VIEW_PX = 100, 70
CONTROL_POINTS = 10  # a side


@dataclass(frozen=True, slots=True)
class TpsWarping:
    """Spread (standard deviation) of the warps; shifts in units of half the frame."""

    n_warps: int = 6  # pairs of views of an image
    every_point: float = 0.001
    half_of_the_points: float = 0.01
    shift: float = 0.1
    scale: float = 0.1
    turn: float = 5.0  # degrees
    first: float = 0.5  # share of the points' spread in the first of the two warps
    grid: int = 35  # tokens a side
    side_px: int = 384
    seed: int = 0


def random_weights(
    warping: TpsWarping, generator: torch.Generator, share: float = 1.0
) -> Float[Tensor, "103 2"]:
    """Of a warp's control points, shift and linear map."""
    n_points = CONTROL_POINTS**2
    weights = torch.randn(n_points, 2, generator=generator) * share * warping.every_point
    chosen = torch.rand(weights.shape, generator=generator) > 0.5
    n_chosen = int(chosen.sum())
    spread = share * warping.half_of_the_points
    weights[chosen] = torch.randn(n_chosen, generator=generator) * spread
    turn = float(torch.randn([], generator=generator)) * warping.turn * math.pi / 180
    scale = 1 + float(torch.randn([], generator=generator)) * warping.scale
    x, y = (float(torch.randn([], generator=generator)) * warping.shift for _ in range(2))
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    return torch.cat([weights, torch.tensor([[x, y], [cosine, -sine], [sine, cosine]])])


def warped(places: Float[Tensor, "*n 2"], weights: Float[Tensor, "103 2"]) -> Float[Tensor, "*n 2"]:
    """Where a warp reads what it shows at these places."""
    line = torch.linspace(-1, 1, CONTROL_POINTS)
    control = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).reshape(-1, 2)
    flat = places.reshape(-1, 2)
    squared = (flat[:, None] - control).square().sum(-1)
    bent = squared * torch.log(squared + 1e-5)
    read = torch.cat([bent, torch.ones(len(flat), 1), flat], dim=1) @ weights
    return read.reshape(places.shape)


def encode(
    view: View,
    picture: Picture,
    on_object: UInt8[np.ndarray, "h w"],
    backbone: Encoder,
    warping: TpsWarping,
) -> dict[str, Tensor]:
    """Tokens of pairs of views: of each pair, first the one that is warped twice.

    `xy` is in px of the second view's frame: of the first view, where its tokens lie in there.
    """
    # The image's own name seeds its warps: any order, any subset and any machine gives the same.
    seed = int(fingerprint(view.image_id, warping.seed), 16)
    generator = torch.Generator().manual_seed(seed)
    regular = _places(warping.side_px)
    parts: dict[str, list[Tensor]] = {"tokens": [], "xy": [], "on_object": []}
    for _ in range(warping.n_warps):
        first = random_weights(warping, generator, warping.first)
        moved = warped(regular, random_weights(warping, generator))
        for places in (moved, regular):
            at = _in_image(warped(places, first), view)
            pixels = sampled(picture.pixels, at, model_info(backbone).padding)
            feature_map = backbone.encode([replace(picture, pixels=pixels)])[0]
            parts["tokens"].append(pooled(feature_map.values, warping.grid).half())
            parts["on_object"].append(object_cells(on_object, at, warping.grid))
            middle = pooled(places.permute(2, 0, 1).numpy(), warping.grid)
            parts["xy"].append(middle.float() * FRAME_PX / 2)
    return {key: torch.stack(values) for key, values in parts.items()}


def _places(side_px: int) -> Float[Tensor, "s s 2"]:
    """Of every pixel's centre of a view."""
    line = ((torch.arange(side_px) + 0.5) / side_px * 2 - 1) * VIEW_PX / FRAME_PX
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)


def _in_image(places: Float[Tensor, "s s 2"], view: View) -> Float[Tensor, "s s 2"]:
    """Original pixels: the middle of the frame is the object's box with a margin of a tenth."""
    x0, y0, x1, y1 = view.bbox
    frame = max(x1 - x0, y1 - y0, 1.0) * 1.1 * FRAME_PX / VIEW_PX
    return places * frame / 2 + torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2])
