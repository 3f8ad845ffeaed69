"""Soft-argmax: the expected cell of a map under a softmax of its similarities."""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from kapbench.scoring.decodes import Decode


def soft_argmax_cells(
    decode: Decode, maps: Float32[np.ndarray, "q h w"], best: Int[np.ndarray, "q"]
) -> Float64[np.ndarray, "q 2"]:
    """Expected (column, row) as a decode with a temperature says.

    Args:
        best: Number of each map's best cell.
    """
    temperature = decode.temperature
    if temperature is None:
        raise ValueError(f"decode {decode.key} is not a soft-argmax")
    if decode.window is None:
        return under_kernel(maps, best, decode.kernel, temperature)
    if decode.outside == "excluded":
        return in_window_alone(maps, best, decode.window, temperature)
    return in_window(maps, best, decode.window, temperature)


def in_window(
    maps: Float32[np.ndarray, "q h w"], best: Int[np.ndarray, "q"], window: int, temperature: float
) -> Float64[np.ndarray, "q 2"]:
    """Expected (column, row) under a softmax over all cells, similarity 0 outside the window.

    The window is (2·window + 1)² cells around the argmax, cut at the border. A similarity of 0
    still weighs exp(0): the cells outside pull the point towards the map's middle, as published.
    """
    _, height, width = maps.shape
    rows, columns, valid, values = _windows(maps, best, window)
    n_outside = height * width - valid.sum(axis=(1, 2))
    top = values.max(axis=(1, 2), where=valid, initial=-np.inf)
    top = np.where(n_outside > 0, np.maximum(top, 0.0), top)
    outside = np.where(n_outside > 0, np.exp(-np.maximum(top, 0.0) / temperature), 0.0)
    inside = np.where(valid, np.exp((values - top[:, None, None]) / temperature), 0.0)
    total = inside.sum(axis=(1, 2)) + outside * n_outside
    # Sums of whole numbers: columns and rows of all cells, less those in the window.
    columns_outside = height * width * (width - 1) // 2 - (valid * columns[:, None, :]).sum((1, 2))
    rows_outside = width * height * (height - 1) // 2 - (valid * rows[:, :, None]).sum((1, 2))
    column = (inside.sum(axis=1) * columns).sum(axis=1) + outside * columns_outside
    row = (inside.sum(axis=2) * rows).sum(axis=1) + outside * rows_outside
    return np.asarray(np.stack([column, row], axis=1) / total[:, None])


def in_window_alone(
    maps: Float32[np.ndarray, "q h w"], best: Int[np.ndarray, "q"], window: int, temperature: float
) -> Float64[np.ndarray, "q 2"]:
    """Expected (column, row) under a softmax over the cells of the window, cut at the border."""
    rows, columns, valid, values = _windows(maps, best, window)
    highest = values.max(axis=(1, 2), where=valid, initial=-np.inf)
    exponent = np.where(valid, values - highest[:, None, None], -np.inf) / temperature
    weight = np.exp(exponent)
    total = weight.sum(axis=(1, 2))
    column = (weight.sum(axis=1) * columns).sum(axis=1) / total
    row = (weight.sum(axis=2) * rows).sum(axis=1) / total
    return np.stack([column, row], axis=1)


def under_kernel(
    maps: Float32[np.ndarray, "q h w"],
    best: Int[np.ndarray, "q"],
    sigma: float | None,
    temperature: float,
) -> Float64[np.ndarray, "q 2"]:
    """Expected (column, row) under a softmax over all cells.

    Args:
        sigma: Standard deviation in cells of a Gaussian around the argmax, 1 there, that similarities
            are multiplied by first; None: they stay as they are.
    """
    _, height, width = maps.shape
    columns, rows = np.arange(width), np.arange(height)
    values = maps.astype(np.float64)
    if sigma is not None:
        across = np.exp(-np.square(columns - (best % width)[:, None]) / (2 * sigma**2))
        down = np.exp(-np.square(rows - (best // width)[:, None]) / (2 * sigma**2))
        values *= down[:, :, None] * across[:, None, :]
    weight = np.exp((values - values.max(axis=(1, 2), keepdims=True)) / temperature)
    total = weight.sum(axis=(1, 2))
    column = (weight.sum(axis=1) * columns).sum(axis=1) / total
    row = (weight.sum(axis=2) * rows).sum(axis=1) / total
    return np.stack([column, row], axis=1)


def _windows(
    maps: Float32[np.ndarray, "q h w"], best: Int[np.ndarray, "q"], window: int
) -> tuple[
    Int[np.ndarray, "q n"],
    Int[np.ndarray, "q n"],
    Bool[np.ndarray, "q n n"],
    Float64[np.ndarray, "q n n"],
]:
    """Rows, columns, which cells lie on the map, and similarities of (2·window + 1)² cells each."""
    n, height, width = maps.shape
    around = np.arange(-window, window + 1)
    rows = (best // width)[:, None] + around
    columns = (best % width)[:, None] + around
    on_rows, on_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    valid = on_rows[:, :, None] & on_columns[:, None, :]
    values = maps[
        np.arange(n)[:, None, None],
        rows.clip(0, height - 1)[:, :, None],
        columns.clip(0, width - 1)[:, None, :],
    ].astype(np.float64)
    return rows, columns, valid, values
