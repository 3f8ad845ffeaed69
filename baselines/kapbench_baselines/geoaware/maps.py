"""Maps of the training images: held in memory, or, where they would fill it, read at every draw.

The published setting, 3,968 channels on 60×60 cells, takes 57 MB an image with its mirror image: 57 GB
for SPair's thousand training images.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float16, Float32
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.features.cached_encoder import CachedEncoder
from kapbench.models.inputs import picture_hash
from kapbench.protocols import Encoder
from kapbench.types import Grid, Picture

HELD_BYTES = 4 << 30


@dataclass(frozen=True)
class Maps:
    """Stands for a tensor [n 2 c s s] whose maps are read from the cache when they are needed."""

    cache: FeatureCache
    keys: tuple[tuple[str, str], ...]
    channels: int
    cells: int
    unit: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.keys), 2, self.channels, self.cells, self.cells)

    def __getitem__(self, at: tuple[int, int]) -> Float16[Tensor, "c s s"]:
        """Raises KapbenchError: the cache no longer has it whole."""
        image, side = at
        cached = self.cache.read(self.keys[image][side])
        return averaged(cached.values(), self.cells, unit=self.unit)


@dataclass
class Collection:
    """The maps of `n_images`, gathered image by image: themselves, or where the cache has them.

    Args:
        cells: A side; None: as many as the maps have, which must be square and of one size.
        unit: Whether features are normalised before they are averaged.
        held_bytes: That they may take in memory. What takes more and was encoded without a cache is
            held all the same: it cannot be read again.
    """

    encoder: Encoder
    cells: int | None
    n_images: int
    held_bytes: int = HELD_BYTES
    unit: bool = True
    _held: list[Tensor] = field(init=False, default_factory=list)
    _keys: list[tuple[str, str]] = field(init=False, default_factory=list)
    _channels: int = field(init=False, default=0)
    _as_encoded: bool = field(init=False, default=False)

    def add(self, picture: Picture, mirrored: Picture) -> tuple[Grid, Grid]:
        """Encodes both; returns where their cells lie.

        Raises:
            KapbenchError: `cells` is None, and the maps are not square or not of one size.
        """
        first, second = (self.encoder.encode([p])[0] for p in (picture, mirrored))
        self._channels = len(first.values)
        for feature_map in (first, second):
            self._measure(feature_map.grid)
        if self._cache is None:
            both = [self._averaged(m.values) for m in (first, second)]
            self._held.append(torch.stack(both))
        else:
            # As the cached encoder names them: no backbone here knows images by name.
            self._keys.append((picture_hash(picture), picture_hash(mirrored)))
        return first.grid, second.grid

    def maps(self) -> Float16[Tensor, "n 2 c s s"] | Maps:
        if self._cache is None:
            return torch.stack(self._held)
        return Maps(self._cache, tuple(self._keys), self._channels, self.side, self.unit)

    @property
    def side(self) -> int:
        """Cells a side of every map; known once one was added."""
        if self.cells is None:
            raise ValueError("no map was added yet")
        return self.cells

    def _measure(self, grid: Grid) -> None:
        if self.cells is None and grid.height == grid.width:
            self.cells, self._as_encoded = grid.height, True
        if self.cells is None or (
            self._as_encoded and (grid.height, grid.width) != (self.cells,) * 2
        ):
            raise KapbenchError(
                f"A map of {self.encoder.name} has {grid.height}×{grid.width} cells; maps that are "
                "read as they are must be square and of one size",
                place="kapbench train geoaware.supervised",
                fix="Add --cells N: maps are averaged to N×N cells",
            )

    def _averaged(self, values: Float32[np.ndarray, "c h w"]) -> Float16[Tensor, "c s s"]:
        return averaged(np.asarray(values, np.float32), self.side, unit=self.unit)

    @property
    def _cache(self) -> FeatureCache | None:
        n_bytes = 2 * self.n_images * self._channels * self.side**2 * torch.float16.itemsize
        large = n_bytes > self.held_bytes
        return self.encoder.cache if large and isinstance(self.encoder, CachedEncoder) else None


def averaged(
    values: Float32[np.ndarray, "c h w"], cells: int, *, unit: bool = True
) -> Float16[Tensor, "c s s"]:
    """Features, of unit length where `unit`, averaged to `cells` a side."""
    features = torch.from_numpy(values)
    normed = functional.normalize(features, dim=0) if unit else features
    return functional.adaptive_avg_pool2d(normed, cells).half()
