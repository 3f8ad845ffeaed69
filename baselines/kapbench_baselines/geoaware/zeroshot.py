"""Adaptive pose alignment at test time: the source is mirrored where that fits the target better.

Zhang et al. 2024, Sec. 4.1. The mirrored source shows, say, a left side where a right one was; so a
query is looked up at its keypoint's mirror twin, which is what the mirror table is for.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition, Encoder, model_info
from kapbench.scoring.grid_geometry import source_cells
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap
from kapbench_baselines.recent_features import RecentFeatures
from kapbench_baselines.sphere.views import mirrored
from kapbench_baselines.training.backbones import open_backbone

CHOICES = ("mutual", "mask")
_CELLS = 30  # a side, of the maps that the choice is made on
_KEPT_BYTES = 2 << 30


class Zeroshot:
    """Telling Left from Right (Zhang et al. 2024): any encoder whose source image may be mirrored.

    Args:
        backbone: An encoder compared by cosine.
        choice: What the two poses are compared by: "mutual", the mean cosine of mutual nearest
            neighbours over all cells; "mask", over those on the objects.
        backbone_weights: Of the backbone itself; none: as it finds them.

    Raises:
        KapbenchError: no such backbone or choice.
    """

    def __init__(
        self,
        backbone: str = "lite0",
        choice: str = "mutual",
        device: str = "cpu",
        backbone_weights: str | None = None,
    ) -> None:
        if choice not in CHOICES:
            raise KapbenchError(
                f"Unknown choice '{choice}'", place="geoaware.zeroshot", fix="Choose mutual or mask"
            )
        self._encoder: Encoder = open_backbone(backbone, backbone_weights, device)
        self._choice, self._device = choice, device
        self._see = RecentFeatures(self._make, max_bytes=_KEPT_BYTES, at_least=3)
        self.name = f"geoaware.zeroshot.{self._encoder.name}"
        self.revision = fingerprint("apa-1", self._encoder.revision, choice)
        seen: tuple[Condition, ...] = ("mask", "twins") if choice == "mask" else ("twins",)
        self.conditions_on = tuple(dict.fromkeys((*self._encoder.conditions_on, *seen)))
        declared = model_info(self._encoder)
        self.supervision, self.trained_on = declared.supervision, declared.trained_on
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
        if _fit(flipped, aim) > _fit(plain, aim):
            mirrored_twins = np.column_stack([source.size[0] - twins[:, 0], twins[:, 1]])
            known = ~np.isnan(twins[:, 0])
            similarity[known] = _cosines(flipped, aim, mirrored_twins[known], source.size)
        return SimilarityMap(similarity.reshape(-1, grid.height, grid.width), grid, queries)

    def _make(self, picture: Picture) -> "_Seen":
        mask = picture.mask if self._choice == "mask" else None
        return _Seen.of(self._encoder.encode([picture])[0], mask)


class _Seen:
    """Unit features of one image: fp16 as a cache would hold them, and coarse for the choice."""

    def __init__(self, feature_map: FeatureMap, coarse: Tensor) -> None:
        values = torch.from_numpy(np.asarray(feature_map.values, np.float32))
        self.grid = feature_map.grid
        self.unit = functional.normalize(values, dim=0).half().flatten(1)  # c, cells
        self.coarse = coarse
        self.n_bytes = self.unit.nbytes + coarse.nbytes

    @classmethod
    def of(cls, feature_map: FeatureMap, mask: Bool[np.ndarray, "h w"] | None) -> "_Seen":
        values = torch.from_numpy(np.asarray(feature_map.values, np.float32))
        cells = min(_CELLS, values.shape[1]), min(_CELLS, values.shape[2])
        pooled = functional.adaptive_avg_pool2d(functional.normalize(values, dim=0), cells)
        flat = functional.normalize(pooled.flatten(1), dim=0).T
        if mask is not None:
            on = _on_object(feature_map.grid, mask, cells)
            flat = flat[on] if on.any() else flat
        return cls(feature_map, flat)


def _on_object(grid: Grid, mask: Bool[np.ndarray, "h w"], cells: tuple[int, int]) -> Tensor:
    """Coarse cells whose centre lies on the object."""
    x, y = Grid(cells[0], cells[1], grid.box).centres()
    height, width = mask.shape
    inside = ((x >= 0) & (x < width))[None, :] & ((y >= 0) & (y < height))[:, None]
    rows, columns = y.astype(int).clip(0, height - 1), x.astype(int).clip(0, width - 1)
    return torch.from_numpy((inside & mask[np.ix_(rows, columns)]).ravel())


def _fit(source: _Seen, target: _Seen) -> float:
    """Summed cosine of mutual nearest neighbours, over the number of source cells."""
    similar = source.coarse @ target.coarse.T
    best, nearest = similar.max(1)
    mutual = similar.argmax(0)[nearest] == torch.arange(len(nearest))
    return float((best * mutual).sum() / max(len(best), 1))


def _cosines(
    source: _Seen, target: _Seen, queries: Float[np.ndarray, "q 2"], size: tuple[int, int]
) -> Float32[np.ndarray, "q n"]:
    """Cosine of the cell under each query with every cell of the target."""
    if not len(queries):
        return np.zeros((0, target.grid.n_cells), np.float32)
    cells = torch.from_numpy(np.asarray(source_cells(source.grid, size, queries), np.int64))
    return np.asarray((source.unit[:, cells].float().T @ target.unit.float()).numpy())
