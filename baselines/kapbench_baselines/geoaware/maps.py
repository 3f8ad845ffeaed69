"""Maps of the training images: held in memory, or, where they would fill it, read at every draw.

The published setting, 3,968 channels on 60×60 cells, takes 57 MB an image with its mirror image: 57 GB
for SPair's thousand training images.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float16, Float32
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.models.inputs import picture_hash
from kapbench.protocols import Encoder
from kapbench.types import Grid, Picture
from kapbench_baselines.training.validation import CachedEncoder

HELD_BYTES = 4 << 30


@dataclass(frozen=True)
class Maps:
    """Stands for a tensor [n 2 c s s] whose maps are read from the cache when they are needed."""

    cache: FeatureCache
    keys: tuple[tuple[str, str], ...]
    channels: int
    cells: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.keys), 2, self.channels, self.cells, self.cells)

    def __getitem__(self, at: tuple[int, int]) -> Float16[Tensor, "c s s"]:
        """Raises KapbenchError: the cache no longer has it whole."""
        image, side = at
        key = self.keys[image][side]
        try:
            cached = self.cache.read(key)
        except (OSError, SafetensorError) as error:
            raise KapbenchError(
                "Features were removed from the cache during the training",
                place=self.cache.path(key),
                fix="Add --resume, and leave the cache as it is",
            ) from error
        values = cached.cells.T.reshape(-1, cached.grid.height, cached.grid.width)
        return averaged(np.asarray(values, np.float32), self.cells)


@dataclass
class Collection:
    """The maps of `n_images`, gathered image by image: themselves, or where the cache has them.

    Args:
        held_bytes: That they may take in memory. What takes more and was encoded without a cache is
            held all the same: it cannot be read again.
    """

    encoder: Encoder
    cells: int
    n_images: int
    held_bytes: int = HELD_BYTES
    _held: list[Tensor] = field(init=False, default_factory=list)
    _keys: list[tuple[str, str]] = field(init=False, default_factory=list)
    _channels: int = field(init=False, default=0)

    def add(self, picture: Picture, mirrored: Picture) -> tuple[Grid, Grid]:
        """Encodes both; returns where their cells lie."""
        first, second = (self.encoder.encode([p])[0] for p in (picture, mirrored))
        self._channels = len(first.values)
        if self._cache is None:
            both = [averaged(np.asarray(m.values, np.float32), self.cells) for m in (first, second)]
            self._held.append(torch.stack(both))
        else:
            # As the cached encoder names them: no backbone here knows images by name.
            self._keys.append((picture_hash(picture), picture_hash(mirrored)))
        return first.grid, second.grid

    def maps(self) -> Float16[Tensor, "n 2 c s s"] | Maps:
        if self._cache is None:
            return torch.stack(self._held)
        return Maps(self._cache, tuple(self._keys), self._channels, self.cells)

    @property
    def _cache(self) -> FeatureCache | None:
        n_bytes = 2 * self.n_images * self._channels * self.cells**2 * torch.float16.itemsize
        large = n_bytes > self.held_bytes
        return self.encoder.cache if large and isinstance(self.encoder, CachedEncoder) else None


def averaged(values: Float32[np.ndarray, "c h w"], cells: int) -> Float16[Tensor, "c s s"]:
    """Unit features, averaged to `cells` a side."""
    unit = functional.normalize(torch.from_numpy(values), dim=0)
    return functional.adaptive_avg_pool2d(unit, cells).half()
