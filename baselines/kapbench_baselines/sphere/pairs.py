"""The model `sphere.sd_dino`: SD+DINO with the sphere, the main row of the paper's tables.

The mapper reads DINOv2's tokens, as released; the features of a pair are those of SD+DINO.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition, PairModel, Similarity, model_info
from kapbench.scoring.grid_geometry import source_cells
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap
from kapbench_baselines.diffusion.sd_dino import SdDino
from kapbench_baselines.recent_features import RecentFeatures
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.mapper import SphereMapper
from kapbench_baselines.sphere.views import on_cells
from kapbench_baselines.training.backbones import check_backbone
from kapbench_baselines.training.card import MAX_CELLS

# SD+DINO weighs its two halves by alpha and 1 - alpha, the released code of the sphere by 1 and 1.
DISTANCE_SCALE = 2.0
_KEPT_BYTES = 1 << 28


class HasTokens(PairModel, Protocol):
    """A pair model that has an encoder's tokens among its features, as SD+DINO has DINOv2's."""

    @property
    def compared_by(self) -> Similarity: ...

    def tokens(self, picture: Picture) -> FeatureMap: ...


class SpherePairs:
    """(1 − w) of the pair model's similarity and w of the sphere points', by the same measure.

    With `neg_l2`: 0.8·(−‖Δf‖) + 0.2·(−‖Δs‖), which no dot product of stacked features is.

    Args:
        token_grid: Cells a side that the tokens are averaged to before they are mapped.
        sphere_weight: w.
    """

    def __init__(
        self,
        backbone: HasTokens,
        mapper: SphereMapper,
        token_grid: int,
        weights_revision: str,
        sphere_weight: float,
        device: str = "cpu",
        supervision: str = "viewpoint",
        trained_on: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        info = model_info(backbone)
        self.backbone, self.mapper, self.token_grid = backbone, mapper, token_grid
        self.name, self.sphere_weight, self.device = f"sphere.{info.name}", sphere_weight, device
        self.revision = fingerprint(
            "pairs-1", info.revision, weights_revision, token_grid, sphere_weight
        )
        self.conditions_on: tuple[Condition, ...] = info.conditions_on
        self.supervision, self.trained_on = supervision, trained_on
        self.options = dict(options or {})
        self._points = RecentFeatures(self._map, max_bytes=_KEPT_BYTES, at_least=2)

    def match(
        self, source: Picture, target: Picture, queries: Float[np.ndarray, "q 2"]
    ) -> SimilarityMap:
        maps = self.backbone.match(source, target, queries)
        ours, theirs = self._points(source), self._points(target)
        # Once for each distinct cell: queries in one cell get equal maps.
        cells, which = np.unique(source_cells(ours.grid, source.size, queries), return_inverse=True)
        of_points = self._compare(ours.points[:, torch.from_numpy(cells)].T, theirs.points.T)
        is_distance = self.backbone.compared_by == "neg_l2"
        of_features = maps.values * DISTANCE_SCALE if is_distance else maps.values
        share = self.sphere_weight
        mixed = (1 - share) * of_features + share * of_points[which].reshape(maps.values.shape)
        return SimilarityMap(np.asarray(mixed, np.float32), maps.grid, queries)

    def _compare(
        self, points: Float[Tensor, "q 3"], cells: Float[Tensor, "n 3"]
    ) -> Float[np.ndarray, "q n"]:
        if self.backbone.compared_by == "neg_l2":
            mode = "donot_use_mm_for_euclid_dist"
            return np.asarray(-torch.cdist(points, cells, compute_mode=mode).numpy())
        return np.asarray((points @ cells.T).numpy())

    @torch.inference_mode()
    def _map(self, picture: Picture) -> "_Points":
        tokens = self.backbone.tokens(picture)
        points = on_cells(self.mapper, tokens, self.token_grid, self.device)
        return _Points(tokens.grid, functional.normalize(points, dim=0).flatten(1).cpu())


@dataclass(frozen=True)
class _Points:
    """Unit sphere points [3 n] of an image's cells."""

    grid: Grid
    points: Tensor

    @property
    def n_bytes(self) -> int:
        return self.points.nbytes


def over_sd_dino(
    weights: str | None = None,
    sphere_weight: float | None = None,
    backbone_weights: str | None = None,
    dino_weights: str | None = None,
    captioner: str | None = None,
    clip: str | None = None,
    clip_antialias: bool = False,
    alpha: float = 0.5,
    dims: int = 256,
    similarity: Similarity = "neg_l2",
    prompt: str | None = None,
    image_px: int | None = None,
    window: int | None = None,
    seed: int | None = None,
    dino_px: int = 840,
    device: str = "cpu",
) -> SpherePairs:
    """SD+DINO with the sphere of a mapper over DINOv2-B (Mariotti et al. 2024).

    Args:
        weights: A file of `kapbench train sphere --backbone sd_dino`, or the released checkpoint.
        sphere_weight: Share of the sphere in the similarity; none: as validated.
        backbone_weights: Stable Diffusion's, `weights` of `sd_dino`. The other arguments are those
            of `sd_dino`.

    Raises:
        KapbenchError: no weights; weights over another encoder; as `SdDino`.
    """
    if weights is None:
        raise KapbenchError(
            "Model sphere.sd_dino needs weights, which are not shipped",
            place="model sphere.sd_dino",
            fix="Train them with `kapbench train sphere --backbone sd_dino --preset paper --dataset "
            "NAME`, or download the released checkpoint; then add -o weights=FILE",
        )
    mapper, card, digest = checkpoint.load(Path(weights))
    share, own = checkpoint.chosen_weight(card, sphere_weight)
    backbone = SdDino(
        backbone_weights,
        dino_weights=dino_weights,
        captioner=captioner,
        clip=clip,
        clip_antialias=clip_antialias,
        alpha=alpha,
        dims=dims,
        similarity=similarity,
        prompt=prompt,
        image_px=image_px,
        window=window,
        seed=seed,
        dino_px=dino_px,
        device=device,
    )
    check_backbone(card, backbone.token_encoder, weights)
    return SpherePairs(
        backbone,
        mapper.to(device),
        card.shape_number("token_grid", MAX_CELLS),
        digest,
        share,
        device,
        card.supervision,
        f"{card.learnt_from}, over {backbone.trained_on}",
        backbone.options | own,
    )
