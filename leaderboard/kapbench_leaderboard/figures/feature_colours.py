"""Feature maps to colours: one common basis for several images, or three coordinates as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8

from kapbench.types import FeatureMap, Grid, View

_SHARE_CUT = 1.0  # per cent of cells at either end that may saturate


@dataclass(frozen=True, slots=True)
class Basis:
    """The first three principal components of unit features, and what of each is 0 and 1."""

    mean: Float64[np.ndarray, "c"]
    axes: Float64[np.ndarray, "c 3"]
    low: Float64[np.ndarray, "3"]
    high: Float64[np.ndarray, "3"]

    @classmethod
    def of(cls, rows: Float[np.ndarray, "n c"]) -> "Basis":
        """Exact, by eigenvectors; each points to where its largest entry is positive.

        Maps of fewer than three channels, and rows without any spread, get axes of zeros.
        """
        unit = _unit(rows)
        mean = unit.mean(axis=0)
        values, vectors = np.linalg.eigh((unit - mean).T @ (unit - mean))
        axes = np.zeros((rows.shape[1], 3))
        for i in range(min(3, rows.shape[1])):
            if values[-1 - i] > 1e-9 * max(values[-1], 1e-12):
                axis = vectors[:, -1 - i]
                axes[:, i] = axis * np.sign(axis[np.abs(axis).argmax()])
        components = (unit - mean) @ axes
        low, high = np.percentile(components, [_SHARE_CUT, 100 - _SHARE_CUT], axis=0)
        return cls(mean, axes, low, high)

    def colours(self, rows: Float[np.ndarray, "n c"]) -> UInt8[np.ndarray, "n 3"]:
        """The first component is red, the second green, the third blue."""
        components = (_unit(rows) - self.mean) @ self.axes
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        flat = self.high <= self.low
        share = np.where(flat, 0.5, (components - self.low) / span)
        return _bytes(share)


def coordinates(rows: Float[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    """Points of the unit sphere: x is red, y green, z blue, −1 dark and 1 bright."""
    return _bytes((np.asarray(rows, np.float64) + 1) / 2)


def cells(feature_map: FeatureMap) -> Float64[np.ndarray, "n c"]:
    """Features by cell, row by row."""
    values = np.asarray(feature_map.values, np.float64)
    return values.reshape(len(values), -1).T


def on_object(
    grid: Grid, view: View, mask: Bool[np.ndarray, "h w"] | None
) -> Bool[np.ndarray, "n"]:
    """Cells whose centre lies on the object: in its mask, else in its box.

    All cells, where that holds none.
    """
    x, y = grid.centres()
    if mask is None:
        x0, y0, x1, y1 = view.bbox
        inside = ((x >= x0) & (x < x1))[None, :] & ((y >= y0) & (y < y1))[:, None]
    else:
        height, width = mask.shape
        within = ((x >= 0) & (x < width))[None, :] & ((y >= 0) & (y < height))[:, None]
        column = x.astype(np.int64).clip(0, width - 1)
        row = y.astype(np.int64).clip(0, height - 1)
        inside = within & mask[np.ix_(row, column)]
    flat = np.asarray(inside.reshape(-1))
    return flat if flat.any() else np.ones_like(flat)


def spread(views: Sequence[View], n: int) -> list[View]:
    """`n` of the views, evenly over the azimuths where known, else over their order."""
    ordered = sorted(views, key=lambda v: (v.azimuth_bin is None, v.azimuth_bin or 0, v.image_id))
    at = np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int)
    return [ordered[i] for i in at]


def _unit(rows: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
    values = np.asarray(rows, np.float64)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(length > 0, length, 1.0))


def _bytes(share: Float[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    return np.asarray(np.round(255 * share.clip(0, 1)).astype(np.uint8))
