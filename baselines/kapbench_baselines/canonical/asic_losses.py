"""The terms of ASIC's published training on flow fields [b s s 2] into the category's atlas.

Gupta et al. 2023, as github.com/kampta/asic trains it (train.py, losses/). A flow says for every pixel
of a padded square image where in the atlas, −1 … 1 along x and y, it lies.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

Flow = Float[Tensor, "b s s 2"]
Mask = Float[Tensor, "b s s"]


def two_way(
    sources: Sequence[Float[Tensor, "_k 2"]], targets: Sequence[Float[Tensor, "_k 2"]]
) -> Float[Tensor, ""]:
    """Mean over matches, each a row in both, of two cross-entropies under minus the distance.

    Each target has to know its source among the pair's; one of the two learns from the targets held
    fixed, the other from the sources held fixed. 0 where there is no match.
    """
    n_matches = sum(map(len, sources))
    if not n_matches:
        return torch.stack([t.sum() for t in (*sources, *targets)]).sum() * 0
    lost = [
        _against(one, two.detach()) + _against(one.detach(), two)
        for one, two in zip(sources, targets, strict=True)
        if len(one)
    ]
    return torch.stack(lost).sum() / n_matches


def _against(source: Float[Tensor, "k 2"], target: Float[Tensor, "k 2"]) -> Float[Tensor, ""]:
    apart = functional.pairwise_distance(source[:, None], target[None])
    own = torch.arange(len(source), device=source.device)
    return functional.cross_entropy(-apart.T, own, reduction="sum")


def smoothness(offsets: Flow) -> Float[Tensor, ""]:
    """Huber's function of the steps between neighbours of the flow without the identity."""
    steps = offsets[:, :-1] - offsets[:, 1:], offsets[:, :, :-1] - offsets[:, :, 1:]
    down, right = (functional.huber_loss(step, torch.zeros_like(step)) for step in steps)
    return down + right


def equivariance(of_warped: Flow, warped: Flow, counted: Mask) -> Float[Tensor, ""]:
    """Distance along the axes between the flow of a warped image and the warped flow, both ways."""
    forward = (of_warped - warped.detach()).abs() + (warped - of_warped.detach()).abs()
    return (forward * counted[..., None]).mean()


def part_spread(
    flow: Flow, part: Int[Tensor, "b s s"], n_parts: int, counted: Mask
) -> Float[Tensor, ""]:
    """Distance along the axes of each pixel from the centre of its part in the batch."""
    sums = torch.zeros(n_parts, 2, device=flow.device).index_add(
        0, part.flatten(), flow.flatten(0, 2)
    )
    counts = torch.bincount(part.flatten(), minlength=n_parts).clamp_min(1)
    centres = (sums / counts[:, None]).detach()
    return ((flow - centres[part]).abs() * counted[..., None]).mean()


def mask_reconstruction(
    atlas: Float[Tensor, "b 1 a a"], flow: Flow, mask: Mask
) -> Float[Tensor, ""]:
    """Cross-entropy of the mask read back from the atlas, at half the flow's resolution."""
    small = functional.interpolate(flow.permute(0, 3, 1, 2), scale_factor=0.5, mode="bilinear")
    read = functional.grid_sample(
        atlas, small.permute(0, 2, 3, 1), padding_mode="border", align_corners=True
    )
    half = functional.interpolate(
        mask[:, None], scale_factor=0.5, mode="bilinear", align_corners=True
    )
    return functional.binary_cross_entropy_with_logits(read, half)


def mutual(pairs: Bool[Tensor, "n"], match: Int[Tensor, "n"]) -> tuple[Tensor, Tensor]:
    """Numbers of the matched tokens of both images."""
    source = torch.where(pairs)[0]
    return source, match[source]
