"""Features on a grid of fewer cells: means over the area that a new cell covers."""

import math

import numpy as np
from jaxtyping import Float32, Float64

from kapbench.types import Grid


def fitting_shape(grid: Grid, most_cells: int) -> tuple[int, int]:
    """Height and width of the finest grid of at most so many cells, in the grid's proportions.

    A grid that is small enough keeps its shape. One cell is the least.
    """
    if grid.n_cells <= most_cells:
        return grid.height, grid.width
    share = math.sqrt(most_cells / grid.n_cells)
    return max(1, int(grid.height * share)), max(1, int(grid.width * share))


def coarsened(
    cells: Float32[np.ndarray, "n c"], grid: Grid, height: int, width: int
) -> tuple[Float32[np.ndarray, "m c"], Grid]:
    """Features by cell, row by row, on `height` × `width` cells over the same box."""
    if (height, width) == (grid.height, grid.width):
        return cells, grid
    along_y, along_x = _shares(grid.height, height), _shares(grid.width, width)
    values = cells.reshape(grid.height, grid.width, -1)
    means = np.einsum("Hh,Ww,hwc->HWc", along_y, along_x, values, optimize=True)
    return means.reshape(height * width, -1).astype(np.float32), Grid(height, width, grid.box)


def _shares(n_old: int, n_new: int) -> Float64[np.ndarray, "new old"]:
    """Which share of each new cell's length lies in each old cell; a row's sum is 1."""
    old, new = np.linspace(0, 1, n_old + 1), np.linspace(0, 1, n_new + 1)
    ends = np.minimum(new[1:, None], old[None, 1:])
    starts = np.maximum(new[:-1, None], old[None, :-1])
    return np.asarray(np.maximum(ends - starts, 0.0) * n_new)
