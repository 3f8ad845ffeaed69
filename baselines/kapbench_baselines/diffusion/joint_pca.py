"""Three layers of two images in their joint principal components, fused into one map each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError, unknown
from kapbench.protocols import Similarity
from kapbench.scoring.grid_geometry import source_cells
from kapbench.types import Grid, SimilarityMap


@dataclass(frozen=True)
class ImageFeatures:
    """One image: decoder layers, coarse to fine, and the tokens beside them [c h w]; fp16.

    Without tokens, c is 0.
    """

    layers: list[Tensor]
    tokens: Tensor
    grid: Grid  # of the tokens

    @property
    def n_bytes(self) -> int:
        return self.tokens.nbytes + sum(layer.nbytes for layer in self.layers)


@dataclass(frozen=True)
class JointPca:
    """How two images are matched by their layers' joint components beside their tokens.

    Args:
        dims: Principal components of each layer.
        alpha: Share of the components; that of the tokens is 1 - alpha.
        similarity: neg_l2, or dot (cosine).

    Raises:
        KapbenchError: a value that cannot be.
    """

    dims: int
    alpha: float
    similarity: str

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1 or self.dims < 1:
            raise KapbenchError(
                f"Alpha is {self.alpha} and dims is {self.dims}",
                place="sd_dino",
                fix="Give an alpha from 0 to 1, and dims of 1 or more",
            )
        if self.similarity not in get_args(Similarity):
            raise unknown("similarity", self.similarity, get_args(Similarity), place="sd_dino")

    def match(
        self,
        source: ImageFeatures,
        target: ImageFeatures,
        source_size: tuple[int, int],
        queries: Float[np.ndarray, "q 2"],
    ) -> SimilarityMap:
        """Minus the distance, or the cosine, of the fused features; on the tokens' grid."""
        with torch.inference_mode():
            of_source, of_target = self._together(source, target)
            cells = torch.from_numpy(
                np.asarray(source_cells(source.grid, source_size, queries), np.int64)
            )
            similarity = self._compare(of_source[:, cells.to(of_source.device)].T, of_target.T)
        shape = (len(queries), target.grid.height, target.grid.width)
        return SimilarityMap(similarity.cpu().numpy().reshape(shape), target.grid, queries)

    def _together(self, source: ImageFeatures, target: ImageFeatures) -> tuple[Tensor, Tensor]:
        """Fused features [c n] of both images, rounded as a cache would hold them."""
        pairs = zip(source.layers, target.layers, strict=True)
        reduced = [joint_pca(a.float(), b.float(), self.dims) for a, b in pairs]
        fused_features = []
        for side, image in enumerate((source, target)):
            components = functional.interpolate(
                fused([r[side] for r in reduced])[None],
                size=image.tokens.shape[1:],
                mode="bilinear",
                align_corners=False,
            )[0]
            both = [
                share * functional.normalize(part.flatten(1), dim=0)
                for share, part in (
                    (self.alpha, components),
                    (1 - self.alpha, image.tokens.float()),
                )
            ]
            fused_features.append(torch.cat(both).half().float())
        return fused_features[0], fused_features[1]

    def _compare(self, queries: Tensor, cells: Tensor) -> Tensor:
        if self.similarity == "neg_l2":
            return -torch.cdist(queries, cells, compute_mode="donot_use_mm_for_euclid_dist")
        return functional.normalize(queries, dim=1) @ functional.normalize(cells, dim=1).T


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
