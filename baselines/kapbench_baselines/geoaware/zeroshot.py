"""Adaptive pose alignment at test time: the source is mirrored where that fits the target better.

Zhang et al. 2024, Sec. 4.1. The mirrored source shows, say, a left side where a right one was; so a
query is looked up at its keypoint's mirror twin, which is what the mirror table is for.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from kapbench.errors import unknown
from kapbench.protocols import Condition, Encoder, model_info
from kapbench.scoring.grid_geometry import source_cells
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Picture, SimilarityMap
from kapbench_baselines.geoaware.pose_choice import CHOICES, PoseChoice
from kapbench_baselines.recent_features import RecentFeatures
from kapbench_baselines.sphere.views import mirrored
from kapbench_baselines.training.backbones import open_backbone

_KEPT_BYTES = 2 << 30


class Zeroshot:
    """Telling Left from Right (Zhang et al. 2024): any encoder whose source image may be mirrored.

    Args:
        backbone: An encoder compared by cosine. Of several parts, as of sd_dino.stack, the last is
            scaled to unit length apart from the others, and then all together, as published.
        choice: What decides whether the source is mirrored, on the backbone's cells.
            "published-mutual": the smaller mean distance of mutual nearest neighbours.
            "published-mask": the smaller mean distance of the cells on the source's object to
            their nearest on the target's, at 64×64; it sees both masks. "cosine-sum": the larger
            sum of cosines of mutual nearest neighbours, at 30×30; not published.
        backbone_weights: Of the backbone itself; none: as it finds them.

    Raises:
        KapbenchError: no such backbone or choice.
    """

    def __init__(
        self,
        backbone: str = "lite0",
        choice: str = "published-mutual",
        device: str = "cpu",
        backbone_weights: str | None = None,
    ) -> None:
        if choice not in CHOICES:
            raise unknown("choice", choice, CHOICES, place="geoaware.zeroshot")
        self._encoder: Encoder = open_backbone(backbone, backbone_weights, device)
        self._choice, self._device = CHOICES[choice], device
        self._see = RecentFeatures(self._make, max_bytes=_KEPT_BYTES, at_least=3)
        self.name = f"geoaware.zeroshot.{self._encoder.name}"
        self.revision = fingerprint("apa-2", self._encoder.revision, choice)
        conditions: tuple[Condition, ...] = ("twins",)
        if self._choice.sees_mask:
            conditions = ("mask", "twins")
        self.conditions_on = tuple(dict.fromkeys((*self._encoder.conditions_on, *conditions)))
        declared = model_info(self._encoder)
        self.supervision, self.trained_on = declared.supervision, declared.trained_on
        self._parts = declared.parts
        self.options = {"backbone": backbone, "choice": choice}

    def match(
        self,
        source: Picture,
        target: Picture,
        queries: Float[np.ndarray, "q 2"],
        twins: Float[np.ndarray, "q 2"],
    ) -> SimilarityMap:
        """Cosines on the backbone's grid.

        A query whose twin the source does not show is answered by the image as it is.
        """
        plain, flipped, aim = self._see(source), self._see(mirrored(source)), self._see(target)
        grid = aim.grid
        similarity = _cosines(plain, aim, queries, source.size)
        if self._distance(flipped, aim) < self._distance(plain, aim):
            mirrored_twins = np.column_stack([source.size[0] - twins[:, 0], twins[:, 1]])
            known = ~np.isnan(twins[:, 0])
            similarity[known] = _cosines(flipped, aim, mirrored_twins[known], source.size)
        return SimilarityMap(similarity.reshape(-1, grid.height, grid.width), grid, queries)

    def _make(self, picture: Picture) -> "_Seen":
        return _Seen(self._encoder.encode([picture])[0], self._parts, self._choice, picture)

    def _distance(self, source: "_Seen", target: "_Seen") -> float:
        """Of the two poses, in fp32 on the device."""
        both = (image.pose.to(self._device).float() for image in (source, target))
        return self._choice.distance(*both)


class _Seen:
    """One image's unit features, fp16 as in a cache, and those that the pose is chosen by."""

    def __init__(
        self,
        feature_map: FeatureMap,
        parts: Sequence[int] | None,
        choice: PoseChoice,
        picture: Picture,
    ) -> None:
        values = torch.from_numpy(np.asarray(feature_map.values, np.float32))
        unit = unit_features(values, parts).half()
        self.grid = feature_map.grid
        self.unit = unit.flatten(1)  # c, cells
        self.pose = choice.features(unit, self.grid, picture.mask)
        storages = {t.untyped_storage().data_ptr(): t.nbytes for t in (self.unit, self.pose)}
        self.n_bytes = sum(storages.values())


def unit_features(
    values: Float[Tensor, "c h w"], parts: Sequence[int] | None
) -> Float[Tensor, "c h w"]:
    """Each cell of unit length; of a stack, the last part and all others apart before."""
    if parts is not None:
        split = torch.split(values, [sum(parts[:-1]), parts[-1]])
        values = torch.cat([functional.normalize(part, dim=0) for part in split])
    return functional.normalize(values, dim=0)


def _cosines(
    source: _Seen, target: _Seen, queries: Float[np.ndarray, "q 2"], size: tuple[int, int]
) -> Float32[np.ndarray, "q n"]:
    """Cosine of the cell under each query with every cell of the target."""
    if not len(queries):
        return np.zeros((0, target.grid.n_cells), np.float32)
    cells = torch.from_numpy(np.asarray(source_cells(source.grid, size, queries), np.int64))
    return np.asarray((source.unit[:, cells].float().T @ target.unit.float()).numpy())
