"""A feature map as the cache keeps it and as scoring reads it: fp16, cell by cell.

fp16 holds numbers from 6e-8 to 65504, and those below 6e-5 with fewer digits. A map whose largest
magnitude lies outside 2^-10 … 65520 is multiplied by a power of two before it is stored. All other
maps are stored as they are.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float16, Float32

from kapbench.errors import KapbenchError
from kapbench.types import FeatureMap, Grid

_SMALLEST = 2.0**-10  # of a largest magnitude: fp16's smallest step, 2^-24, is then 2^-14 of it
_SMALLEST_NORMAL = 2.0**-14  # what is smaller has fewer digits
_LARGEST = 65520.0  # what is smaller rounds to 65504
_STORED_EXPONENT = 15  # of a scaled map: its largest magnitude is then 2^14 or more, and below 2^15
_LARGEST_EXPONENT = 120  # of a map: distances and sums of squares of larger ones exceed float32


@dataclass(frozen=True, slots=True)
class CachedMap:
    """Features of one image by cell, as scoring reads them: cells · 2^exponent."""

    cells: Float16[np.ndarray, "n c"]  # n = grid.n_cells, row by row
    grid: Grid
    exponent: int = 0

    def values(self) -> Float32[np.ndarray, "c h w"]:
        """The map in the encoder's own scale."""
        values = self.cells.T.reshape(-1, self.grid.height, self.grid.width)
        return np.asarray(np.ldexp(values.astype(np.float32), self.exponent))

    def feature_map(self) -> FeatureMap:
        """What a model that stands on the encoder is given."""
        return FeatureMap(self.values(), self.grid)


def to_cells(feature_map: FeatureMap) -> CachedMap:
    """[c h w] to fp16 rows by cell, scaled where fp16 does not hold the values.

    Raises:
        KapbenchError: values are misshapen, not finite, beyond 1.3e36, or span more than fp16 holds.
    """
    values, grid = np.asarray(feature_map.values), feature_map.grid
    if values.ndim != 3 or values.shape[1:] != (grid.height, grid.width):
        raise KapbenchError(
            f"The feature map has the shape {list(values.shape)}, its grid {grid.height}×{grid.width}",
            fix="Return values [channels, height, width], height and width as in the grid",
        )
    exponent = _exponent_for(values)
    by_cell = values.reshape(len(values), -1).T
    with np.errstate(under="ignore"):
        if exponent:
            by_cell = np.ldexp(by_cell, -exponent)
        half = np.ascontiguousarray(by_cell.astype(np.float16))
    if exponent > 0:
        _refuse_lost_cells(by_cell, exponent)
    return CachedMap(half, grid, exponent)


def _refuse_lost_cells(scaled: Float[np.ndarray, "n c"], exponent: int) -> None:
    """KapbenchError where a cell has features that are too small for fp16 beside the largest ones."""
    largest = np.abs(scaled).max(axis=1)
    lost = (largest > 0) & (largest < _SMALLEST_NORMAL)
    if lost.any():
        raise KapbenchError(
            f"Features reach {np.ldexp(np.abs(scaled).max(), exponent):.0e}, and {lost.sum():,} of "
            f"{len(lost):,} cells have none that fp16 can hold beside them",
            fix="Look for an outlier in the model's output, or scale its features to below 65504",
        )


def _exponent_for(values: np.ndarray) -> int:
    """The exponent by which the stored map is to be read; 0 where values are stored as they are."""
    largest = float(np.maximum(values.max(initial=0), -values.min(initial=0)))  # NaN if any is
    if not np.isfinite(largest) or largest >= 2.0**_LARGEST_EXPONENT:
        wrong = ~(np.abs(values) < 2.0**_LARGEST_EXPONENT)
        channel, row, column = np.argwhere(wrong)[0]
        raise KapbenchError(
            f"{wrong.sum():,} of {values.size:,} features are not finite, or are beyond 1.3e36. The "
            f"first is {values[channel, row, column]:.3g} in channel {channel} of the cell in row "
            f"{row}, column {column}, counted from 0",
            fix="Look for NaN in the model, or for a division by a number that is nearly 0",
        )
    if largest == 0 or _SMALLEST <= largest < _LARGEST:
        return 0
    return int(np.frexp(largest)[1]) - _STORED_EXPONENT
