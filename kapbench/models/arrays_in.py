"""Checks of arrays and grids that a model or a caller passes in."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from kapbench.errors import KapbenchError, described, with_article
from kapbench.types import Grid


def numbers(values: Any, what: str, place: object) -> np.ndarray:
    """Values as an array of real numbers, in their own type.

    Raises:
        KapbenchError: they cannot be read as an array (e.g. a tensor that needs a gradient), or
            hold anything but real numbers.
    """
    try:
        array = np.asarray(values)
    except Exception as error:
        raise KapbenchError(
            f"The values of {what} cannot be read as an array: {described(error)}",
            place=place,
            fix="Give NumPy arrays, e.g. tensor.detach().float().cpu().numpy()",
        ) from error
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise KapbenchError(
            f"The values of {what} are masked in part, and a masked value is no number",
            place=place,
            fix="Fill in what is masked: values.filled(0)",
        )
    if array.dtype.kind not in "fiu":
        raise KapbenchError(
            f"The values of {what} have type {array.dtype}, not real numbers",
            place=place,
            fix="Give real numbers, e.g. float32",
        )
    return array


def finite_float32(values: Any, what: str, place: object) -> Float32[np.ndarray, "..."]:
    """KapbenchError as `numbers`, or where a value is not finite in float32."""
    with np.errstate(over="ignore"):
        array = numbers(values, what, place).astype(np.float32)
    if not np.isfinite(array).all():
        raise KapbenchError(
            f"The values of {what} are not all finite in float32",
            place=place,
            fix="Look for NaN in the model's output, or for numbers beyond 3e38",
        )
    return array


def sound_grid(grid: Any, place: object) -> Grid:
    """The grid in Python's own numbers.

    Raises:
        KapbenchError: it is not a Grid, has no cells, or its box has no area.
    """
    if not isinstance(grid, Grid):
        raise KapbenchError(
            f"The grid is {with_article(type(grid).__name__)}, not a kapbench Grid",
            place=place,
            fix="Give Grid.letterbox(...) or Grid.stretched(...)",
        )
    cells, (x0, y0, x1, y1) = (grid.height, grid.width), grid.box
    whole = all(isinstance(n, int | np.integer) and n > 0 for n in cells)
    if not whole or not np.isfinite(grid.box).all() or not (x1 > x0 and y1 > y0):
        raise KapbenchError(
            f"The grid has {grid.height}×{grid.width} cells over the box {list(grid.box)}",
            place=place,
            fix="Give it at least one cell, and a box (x0, y0, x1, y1) with an area",
        )
    return Grid(int(grid.height), int(grid.width), (float(x0), float(y0), float(x1), float(y1)))
