"""What ASIC's published training sees: whole images, padded to squares, and warps of them.

A place is a pair of coordinates in −1 … 1 of the padded square. Warps are thin-plate splines through
five points, the corners and the centre, each moved along x and y by up to 0.4 (`tps_scale` of
github.com/kampta/asic).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.cluster.vq import kmeans2
from torch import Tensor
from torch.nn import functional

from kapbench.protocols import Encoder, model_info
from kapbench.storage import fingerprint
from kapbench.types import Grid, Picture, View
from kapbench_baselines.canonical.view_pixels import object_cells, sampled
from kapbench_baselines.sphere.views import pooled

FIXED = torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1], [0, 0]])


@dataclass(frozen=True, slots=True)
class SquareWarping:
    n_warps: int = 6  # of an image, beside the image as it is
    reach: float = 0.4
    grid: int = 32  # tokens a side
    side_px: int = 384
    seed: int = 0


def encode(
    view: View,
    picture: Picture,
    on_object: UInt8[np.ndarray, "h w"],
    backbone: Encoder,
    warping: SquareWarping,
) -> dict[str, Tensor]:
    """Tokens of the image as it is and of its warps; `xy` are the places that they look at."""
    seed = int(fingerprint(view.image_id, warping.seed), 16)
    generator = torch.Generator().manual_seed(seed)
    line = (torch.arange(warping.side_px) + 0.5) / warping.side_px * 2 - 1
    regular = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
    parts: dict[str, list[Tensor]] = {"tokens": [], "xy": [], "on_object": []}
    half, centre = max(view.size) / 2, torch.tensor(view.size) / 2
    for number in range(warping.n_warps + 1):
        moves = (torch.rand(FIXED.shape, generator=generator) * 2 - 1) * warping.reach
        places = spline(regular, FIXED + moves) if number else regular
        at = places * half + centre
        pixels = sampled(picture.pixels, at, model_info(backbone).padding)
        feature_map = backbone.encode([replace(picture, pixels=pixels)])[0]
        parts["tokens"].append(pooled(feature_map.values, warping.grid).half())
        parts["on_object"].append(object_cells(on_object, at, warping.grid))
        parts["xy"].append(pooled(places.permute(2, 0, 1).numpy(), warping.grid).float())
    return {key: torch.stack(values) for key, values in parts.items()}


def spline(places: Float[Tensor, "*n 2"], moved: Float[Tensor, "5 2"]) -> Float[Tensor, "*n 2"]:
    """The thin-plate spline that takes the five points to `moved`."""
    left = torch.cat([_kernel(FIXED, FIXED), torch.ones(5, 1), FIXED], dim=1)
    below = torch.cat([torch.ones(5, 1), FIXED], dim=1).T
    system = torch.cat([left, torch.cat([below, torch.zeros(3, 3)], dim=1)])
    weights: Tensor = torch.linalg.solve(system, torch.cat([moved, torch.zeros(3, 2)]))
    flat = places.reshape(-1, 2)
    taken: Tensor = (
        torch.cat([_kernel(flat, FIXED), torch.ones(len(flat), 1), flat], dim=1) @ weights
    )
    return taken.reshape(places.shape)


def _kernel(one: Float[Tensor, "n 2"], two: Float[Tensor, "m 2"]) -> Float[Tensor, "n m"]:
    squared = (one[:, None] - two).square().sum(-1)
    return torch.where(squared > 0, squared * squared.clamp_min(1e-12).log(), 0.0)


def in_square(grid: Grid, size: tuple[int, int]) -> Float[Tensor, "2 h w"]:
    """Places of the cells of a map of the whole image."""
    half = max(size) / 2
    x, y = grid.centres()
    rows, columns = (
        torch.from_numpy(v) for v in ((y - size[1] / 2) / half, (x - size[0] / 2) / half)
    )
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy")).float()


def parts_of(
    tokens: Float[Tensor, "n t c"], on_object: Tensor, category: Sequence[int], n_parts: int
) -> Int[Tensor, "n t"]:
    """Part of each token on the object by k-means of unit features in its category; else `n_parts`."""
    part = torch.full(on_object.shape, n_parts)
    unit = functional.normalize(tokens.float(), dim=-1)
    numbers = torch.tensor(category)
    for one in sorted(set(category)):
        of_it = on_object & (numbers == one)[:, None]
        features = unit[of_it].numpy().astype(np.float64)
        if len(features) <= n_parts:
            part[of_it] = torch.arange(len(features))
            continue
        _, labels = kmeans2(features, _far_apart(features, n_parts), iter=30, minit="matrix")
        part[of_it] = torch.from_numpy(labels).long()
    return part


def _far_apart(features: Float[np.ndarray, "n c"], n: int) -> Float[np.ndarray, "m c"]:
    """The row nearest the mean, and then, again and again, the one farthest from those taken."""
    apart = np.linalg.norm(features - features.mean(0), axis=1)
    taken = [int(apart.argmin())]
    apart = np.full(len(features), np.inf)
    for _ in range(n - 1):
        apart = np.minimum(apart, np.linalg.norm(features - features[taken[-1]], axis=1))
        taken.append(int(apart.argmax()))
    return features[taken]
