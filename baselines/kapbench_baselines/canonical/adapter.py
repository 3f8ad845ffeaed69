"""dve and asic: every cell of a backbone's map gets its point in the category's frame."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from kapbench.errors import unknown
from kapbench.models.wrapper import AS_CACHED, OverBackbones
from kapbench.protocols import Encoder, model_info
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Picture
from kapbench_baselines.canonical.heads import CategoryHeads
from kapbench_baselines.canonical.square_views import in_square
from kapbench_baselines.sphere.views import on_cells
from kapbench_baselines.training import trained_weights as files
from kapbench_baselines.training.backbones import backbone_of, needs_weights, trained_over
from kapbench_baselines.training.card import MAX_CELLS

# asic pairs features of different images; dve knows its pairs from the warps.
COSINES_FOR = {"dve": None, "asic": "asic's matching"}


class CanonicalEncoder(OverBackbones):
    """Points of the category's frame: unit or free vectors (dve), or points of a flat atlas (asic).

    Args:
        token_grid: Cells a side that the backbone's map is averaged to, as in training.

    Raises:
        KapbenchError: at a picture of a category that it was not trained on.
    """

    def __init__(
        self,
        method: str,
        backbone: Encoder,
        heads: CategoryHeads,
        categories: tuple[str, ...],
        token_grid: int,
        weights_revision: str,
        device: str = "cpu",
        supervision: str = "none",
        trained_on: str | None = None,
    ) -> None:
        beneath = (c for c in backbone.conditions_on if c != "category")
        declared = replace(
            model_info(backbone),
            name=f"{method}.{backbone.name}",
            revision=fingerprint(AS_CACHED, backbone.revision, weights_revision, token_grid),
            conditions_on=("category", *beneath),
            similarity="dot" if heads.sphere or (heads.free and not heads.residual) else "neg_l2",
            supervision=supervision,
            trained_on=trained_on,
            licence=None,  # that of the backbone is not the weights'
            options={},
        )
        super().__init__([backbone], declared)
        self.method, self.heads, self.categories = method, heads, categories
        self.token_grid, self.device = token_grid, device

    def from_features(
        self, pictures: Sequence[Picture], features: Sequence[tuple[FeatureMap, ...]]
    ) -> list[FeatureMap]:
        """[d, h, w] on the backbone's own grid."""
        maps = (feature_map for (feature_map,) in features)
        return [self._points(m, p) for m, p in zip(maps, pictures, strict=True)]

    def maps(self, pictures: Sequence[Picture]) -> dict[str, list[FeatureMap]]:
        """The points themselves, for whoever draws them."""
        return {self.method: list(self.encode(pictures))}

    @torch.inference_mode()
    def _points(self, feature_map: FeatureMap, picture: Picture) -> FeatureMap:
        category = picture.category
        if category not in self.categories:
            raise unknown(
                "category", str(category), self.categories, place=f"weights of {self.name}"
            )
        number = torch.tensor([self.categories.index(category)], device=self.device)
        head = partial(self.heads, category=number)
        points = on_cells(head, feature_map, self.token_grid, self.device)
        if self.heads.sphere:
            points = functional.normalize(points, dim=0)
        if self.heads.residual:
            points = points + in_square(feature_map.grid, picture.size).to(points.device)
        return FeatureMap(np.asarray(points.cpu().numpy(), np.float32), feature_map.grid)


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
        raise needs_weights(method, dataset)
    path = Path(weights)
    tensors, card, digest = files.load(path, method)
    token_grid = card.shape_number("token_grid", MAX_CELLS)
    shape: dict[str, Any] = dict(card.shape)
    del shape["token_grid"]
    heads = files.build(lambda: CategoryHeads(**shape), tensors, path, method)
    cosines_for = COSINES_FOR[method]
    encoder = backbone_of(
        card, path, backbone, backbone_weights, device, dataset, cosines_for=cosines_for
    )
    return CanonicalEncoder(
        variant(method, card.settings),
        encoder,
        heads.to(device),
        card.categories,
        token_grid,
        digest,
        device,
        card.supervision,
        trained_over(card.learnt_from, encoder),
    )


def variant(method: str, settings: Mapping[str, Any]) -> str:
    """The method's name, with the preset's where it is not the method's own."""
    return f"{method}.{settings['preset']}" if "preset" in settings else method


dve = partial(_load, "dve")
"""Equivariant labelling after Thewlis et al. (2017, 2019): labels learnt from warps alone."""

asic = partial(_load, "asic")
"""After ASIC (Gupta et al. 2023): a category's images aligned to a flat atlas."""
