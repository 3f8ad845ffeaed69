"""dve and asic: every cell of a backbone's map gets its point in the category's frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition, Encoder, Prepares
from kapbench.registry import unknown
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Picture
from kapbench_baselines.canonical.heads import CategoryHeads
from kapbench_baselines.sphere.views import pooled
from kapbench_baselines.training import trained_weights as files
from kapbench_baselines.training.backbones import check_backbone, open_backbone, own_backbone

# asic pairs features of different images; dve knows its pairs from the warps.
COSINES_FOR = {"dve": None, "asic": "asic's matching"}


@dataclass
class CanonicalEncoder:
    """Points of the category's frame: unit 3-vectors (dve) or places on a flat atlas (asic).

    Raises:
        KapbenchError: at a picture of a category that it was not trained on.
    """

    method: str
    backbone: Encoder
    heads: CategoryHeads
    categories: tuple[str, ...]
    token_grid: int  # cells a side that the backbone's map is averaged to, as in training
    weights_revision: str
    device: str = "cpu"
    supervision: str = "none"
    trained_on: str | None = None

    def __post_init__(self) -> None:
        self.name = f"{self.method}.{self.backbone.name}"
        beneath = (c for c in self.backbone.conditions_on if c != "category")
        self.conditions_on: tuple[Condition, ...] = ("category", *beneath)
        self.similarity: Literal["dot", "neg_l2"] = "dot" if self.heads.sphere else "neg_l2"
        self.revision = fingerprint(self.backbone.revision, self.weights_revision, self.token_grid)
        if isinstance(self.backbone, Prepares):
            self.prepare = self.backbone.prepare

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[3 or 2, h, w] on the backbone's own grid."""
        found = self.backbone.encode(pictures)
        return [self._points(m, p.category) for m, p in zip(found, pictures, strict=True)]

    def maps(self, pictures: Sequence[Picture]) -> dict[str, list[FeatureMap]]:
        """The points themselves, for whoever draws them."""
        return {self.method: self.encode(pictures)}

    @torch.inference_mode()
    def _points(self, found: FeatureMap, category: str | None) -> FeatureMap:
        if category not in self.categories:
            raise unknown(
                "category", str(category), self.categories, place=f"weights of {self.name}"
            )
        grid = found.grid
        cells = min(self.token_grid, grid.height), min(self.token_grid, grid.width)
        tokens = pooled(found.values, cells)[None].to(self.device)
        number = torch.tensor([self.categories.index(category)], device=self.device)
        coarse = self.heads(tokens, number)[0].T.unflatten(1, cells)
        size = (grid.height, grid.width)
        fine = functional.interpolate(coarse[None], size, mode="bilinear")[0]
        if self.heads.sphere:
            fine = functional.normalize(fine, dim=0)
        return FeatureMap(np.asarray(fine.cpu().numpy(), np.float32), grid)


def _load(
    method: str,
    weights: str | None = None,
    backbone: str | None = None,
    device: str = "cpu",
    dataset: str | None = None,
    backbone_weights: str | None = None,
) -> CanonicalEncoder:
    """
    Args:
        weights: A file of `kapbench train dve` or `kapbench train asic`.
        backbone: Must be the weights' own, which is the default.
        backbone_weights: Of the backbone itself; none: as it finds them.

    Raises:
        KapbenchError: no weights; a file that is not this method's; another backbone's.
    """
    if weights is None:
        raise KapbenchError(
            f"model {method} needs weights, and none are shipped",
            place=f"model {method}",
            fix=f"train them: kapbench train {method} --backbone lite0 --dataset {dataset or 'D'}"
            "; then -o weights=FILE",
        )
    path = Path(weights)
    tensors, card, digest = files.load(path, method)
    shape: dict[str, Any] = dict(card.shape)
    token_grid = int(shape.pop("token_grid"))
    heads = CategoryHeads(**shape)
    files.fill(heads, tensors, path, method)
    spec = backbone or own_backbone(card, path)
    encoder = open_backbone(
        spec, backbone_weights, device, dataset, cosines_for=COSINES_FOR[method]
    )
    check_backbone(card, encoder.name, encoder.revision, path, method)
    beneath = getattr(encoder, "trained_on", None)
    learnt = card.learnt_from + (f", over {beneath}" if beneath else "")
    return CanonicalEncoder(
        method, encoder, heads.to(device), card.categories, token_grid, digest, device,
        card.supervision, learnt,
    )  # fmt: skip


dve = partial(_load, "dve")
"""Dense equivariant labelling (Thewlis et al. 2017): labels on a sphere, learnt from warps alone."""

asic = partial(_load, "asic")
"""ASIC (Gupta et al. 2023): a category's images aligned to a flat atlas."""
