"""The encoder `fuse:A+B`: unit features of each part, scaled and stacked."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from kapbench.models.wrapper import AS_CACHED, OverBackbones
from kapbench.protocols import Encoder
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Picture
from kapbench_baselines.fused.declare import declared_of
from kapbench_baselines.fused.resampling import finest, on_grid

RESAMPLING = "bilinear-1"  # how parts come to one grid: in the revision


class FusedEncoder(OverBackbones):
    """Unit features of each part, scaled by the root of its weight: their dot product is Σ wᵢ·cosᵢ.

    Args:
        parts: Encoders that are compared by cosine.
        weights: Of each part; their sum is 1.
        grid: The part whose cells the map has, counted from 1; None: that with the smallest cells.
        name: None: fuse: and the names of the parts.
        options: What the user chose.
    """

    def __init__(
        self,
        parts: Sequence[Encoder],
        weights: Sequence[float],
        grid: int | None = None,
        name: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        name = name or f"fuse:{'+'.join(part.name for part in parts)}"
        seen = [(part.name, part.revision) for part in parts]
        revision = fingerprint(AS_CACHED, RESAMPLING, seen, list(weights), grid)
        super().__init__(parts, declared_of(parts, name, revision, options or {}), keeps_maps=False)
        self.weights, self.grid = tuple(weights), grid

    def from_features(
        self,
        pictures: Sequence[Picture],  # noqa: ARG002
        features: Sequence[tuple[FeatureMap, ...]],
    ) -> list[FeatureMap]:
        """[c h w], c being the sum of the parts' channels."""
        return [self._fused(maps) for maps in features]

    def _fused(self, maps: Sequence[FeatureMap]) -> FeatureMap:
        grids = [feature_map.grid for feature_map in maps]
        grid = grids[finest(grids) if self.grid is None else self.grid - 1]
        scaled = [
            unit(on_grid(feature_map, grid)) * np.float32(weight**0.5)
            for feature_map, weight in zip(maps, self.weights, strict=True)
        ]
        return FeatureMap(np.concatenate(scaled), grid)


def unit(values: Float32[np.ndarray, "c h w"]) -> Float32[np.ndarray, "c h w"]:
    """Each cell's features scaled to length 1; those of length 0 stay."""
    length = np.sqrt(np.einsum("chw,chw->hw", values, values, dtype=np.float64))
    return np.asarray(values / np.where(length > 0, length, 1), np.float32)
