"""Three layers of two images in their joint principal components, fused into one map each."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def joint_pca(first: Tensor, second: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Both maps [c h w] in the leading components [d h w] of all their cells together, centred.

    The exact decomposition; published code draws a randomised one. Where there are fewer cells
    or channels than `dims`, there are as many components.
    """
    cells = torch.cat([first.flatten(1), second.flatten(1)], 1)  # c, n
    cells = cells - cells.mean(1, keepdim=True)
    channels, n = cells.shape
    if n < channels:
        basis = torch.linalg.svd(cells, full_matrices=False).U
    else:
        basis = torch.linalg.eigh(cells @ cells.T).eigenvectors.flip(1)
    d = min(dims, channels, n)
    components = basis[:, :d].T @ cells
    n_first = first[0].numel()
    return (
        components[:, :n_first].reshape(d, *first.shape[1:]),
        components[:, n_first:].reshape(d, *second.shape[1:]),
    )


def fused(layers: Sequence[Tensor]) -> Tensor:
    """Coarse to fine [d h w] stacked at the finest's resolution, each resized step by step."""
    stacked = layers[0]
    for layer in layers[1:]:
        resized = functional.interpolate(
            stacked[None], size=layer.shape[1:], mode="bilinear", align_corners=False
        )[0]
        stacked = torch.cat([layer, resized])
    return stacked
