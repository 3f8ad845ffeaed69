"""The four losses of spherical maps, as functions of tensors alone.

Sections are those of Mariotti et al., CVPR 2024. An image or a batch that offers nothing to
compare contributes a zero that still has a gradient, so that no step has to be skipped.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


def draw_tokens(
    on_object: Bool[Tensor, "b n"], n_draws: int, generator: torch.Generator
) -> Int[Tensor, "b {n_draws}"]:
    """Tokens drawn from each image's object, with replacement (from all, where it has none)."""
    weight = on_object.float()
    weight = torch.where(weight.sum(1, keepdim=True) > 0, weight, torch.ones_like(weight))
    return torch.multinomial(weight, n_draws, replacement=True, generator=generator)


def reconstruction(
    decoded: Float[Tensor, "*n c"], tokens: Float[Tensor, "*n c"], weight: Float[Tensor, "*n"]
) -> Float[Tensor, ""]:
    """1 - cosine between decoded prototypes and features, weighted mean (Sec. 3.2)."""
    distance = 1 - functional.cosine_similarity(decoded.float(), tokens.float(), dim=-1)
    return _mean(distance, weight)


def relative_distance(
    points: Float[Tensor, "*t 3 3"],
    xy: Float[Tensor, "*t 3 2"],
    weight: Float[Tensor, "*t"],
    margin: float,
    *,
    ties: bool = False,
) -> Float[Tensor, ""]:
    """Of two tokens, the one nearer to the first in the image is nearer on the sphere (Sec. 3.3).

    Hinge on the difference of cosines.

    Args:
        ties: Whether triplets without a nearer one count, their third token in its place, as
            released.
    """
    pixels_1, pixels_2 = ((xy[..., i, :] - xy[..., 0, :]).square().sum(-1) for i in (1, 2))
    cosine_1, cosine_2 = ((points[..., i, :] * points[..., 0, :]).sum(-1) for i in (1, 2))
    sign = (pixels_2 - pixels_1).sign()
    if ties:
        sign = torch.where(sign > 0, 1.0, -1.0)
    hinge = functional.relu(margin - sign * (cosine_1 - cosine_2))
    return _mean(hinge, weight * (sign != 0))


def orientation(
    points: Float[Tensor, "*t 3 3"],
    xy: Float[Tensor, "*t 3 2"],
    weight: Float[Tensor, "*t"],
    min_determinant: float,
) -> Float[Tensor, ""]:
    """A triangle turns the same way in the image and on the sphere seen from outside (Sec. 3.3).

    Squared hinge on 1 - the sine between tangent directions at the first point. Triplets count
    whose image directions span more than `min_determinant`.
    """
    u, v = (functional.normalize(xy[..., i, :] - xy[..., 0, :], dim=-1) for i in (1, 2))
    determinant = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    origin = points[..., 0, :]
    tangents = []
    for i in (1, 2):
        along = (points[..., i, :] * origin).sum(-1, keepdim=True)
        tangents.append(functional.normalize(points[..., i, :] - along * origin, dim=-1, eps=1e-6))
    turn = (torch.linalg.cross(*tangents) * origin).sum(-1) * determinant.sign()
    return _mean(functional.relu(1 - turn).square(), weight * (determinant.abs() > min_determinant))


def mean_points(
    points: Float[Tensor, "b n 3"], on_object: Bool[Tensor, "b n"]
) -> Float[Tensor, "b 3"]:
    """Direction of the mean sphere point of each image's object: where it is seen from."""
    return functional.normalize((points * on_object[..., None]).sum(1), dim=-1, eps=1e-4)


def viewpoint(
    directions: Float[Tensor, "b 3"], azimuth_bin: Int[Tensor, "b"], n_bins: int = 8
) -> Float[Tensor, ""]:
    """Cosine of two images' directions is that of their azimuths (Sec. 3.3), all pairs of a batch.

    The diagonal counts, as released. A bin of -1 is unknown and leaves its image out.
    """
    angle = (azimuth_bin[:, None] - azimuth_bin[None]) * (2 * math.pi / n_bins)
    known = (azimuth_bin >= 0).float()
    error = (directions @ directions.T - torch.cos(angle)).square()
    return _mean(error, known[:, None] * known[None])


def _mean(value: Float[Tensor, "*n"], weight: Float[Tensor, "*n"]) -> Float[Tensor, ""]:
    return (value * weight).sum() / weight.sum().clamp_min(1e-6)
