"""The best cell of a similarity map, and the best other peak, apart from it."""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from kapbench.types import Grid

NONE = -1  # the number of a cell where there is none


def best_cells(maps: Float32[np.ndarray, "q h w"]) -> Int[np.ndarray, "q"]:
    """Number of each map's best cell, row by row; the first of equal ones, as a run takes it."""
    return np.asarray(maps.reshape(len(maps), -1).argmax(axis=1), np.int64)


def second_peaks(
    maps: Float32[np.ndarray, "q h w"], best: Int[np.ndarray, "q"], grid: Grid, radius_px: float
) -> Int[np.ndarray, "q"]:
    """Number of the best peak apart from the best cell; −1 where there is none.

    A peak is a cell that is at least as similar as each of its neighbours, of which there are eight
    inside the map. It is apart where its centre is farther than `radius_px` from the centre of the
    best cell. Of equal peaks, the first row by row.
    """
    apart = farther(best, grid, radius_px) & _peaks(maps).reshape(len(maps), -1)
    values = np.where(apart, maps.reshape(len(maps), -1), -np.inf)
    return np.where(apart.any(axis=1), values.argmax(axis=1), NONE)


def cell_centres(cells: Int[np.ndarray, "q"], grid: Grid) -> Float64[np.ndarray, "q 2"]:
    """Centres (x, y) of numbered cells in original pixels; NaN for −1."""
    x, y = grid.centres()
    xy = np.stack([x[cells % grid.width], y[cells // grid.width]], axis=1)
    return np.asarray(np.where((cells == NONE)[:, None], np.nan, xy))


def farther(best: Int[np.ndarray, "q"], grid: Grid, radius_px: float) -> Bool[np.ndarray, "q n"]:
    """Whether each cell's centre is farther than `radius_px` from that of the best cell."""
    every = cell_centres(np.arange(grid.n_cells), grid)
    distance = np.linalg.norm(every[None] - cell_centres(best, grid)[:, None], axis=2)
    return np.asarray(distance > radius_px)


def _peaks(maps: Float32[np.ndarray, "q h w"]) -> Bool[np.ndarray, "q h w"]:
    """Whether a cell is at least as similar as its neighbours."""
    _, height, width = maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    peaks = np.ones(maps.shape, bool)
    for down in range(3):
        for right in range(3):
            peaks &= maps >= padded[:, down : down + height, right : right + width]
    return peaks
