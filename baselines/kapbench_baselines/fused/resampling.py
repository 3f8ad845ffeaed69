"""A feature map on the cells of another map of the same image."""

import numpy as np
from jaxtyping import Float32, Float64

from kapbench.types import FeatureMap, Grid


def finest(grids: list[Grid]) -> int:
    """Which grid has the smallest cells, by area; of equal ones the first."""
    return int(np.argmin([np.prod(grid.cell_size) for grid in grids]))


def on_grid(feature_map: FeatureMap, grid: Grid) -> Float32[np.ndarray, "c h w"]:
    """Features at the centres of the grid's cells, interpolated bilinearly between the map's own.

    Beyond the outermost centres of the map, its outermost features go on.
    """
    values = np.asarray(feature_map.values, np.float32)
    if feature_map.grid == grid:
        return values
    of_x, of_y = feature_map.grid.centres()
    to_x, to_y = grid.centres()
    along_x, along_y = _weights(of_x, to_x), _weights(of_y, to_y)
    return np.asarray(np.einsum("yh,chw,xw->cyx", along_y, values, along_x, optimize=True))


def _weights(
    centres: Float64[np.ndarray, "n"], points: Float64[np.ndarray, "m"]
) -> Float32[np.ndarray, "m n"]:
    """Weights of linear interpolation at points between centres."""
    one_each = np.eye(len(centres))
    return np.stack([np.interp(points, centres, one) for one in one_each], axis=1).astype(
        np.float32
    )
