"""Arrays and grids from outside, checked at the door."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from kapbench.errors import KapbenchError
from kapbench.types import Grid


def numbers(values: Any, what: str, place: object) -> np.ndarray:
    """Values as an array of real numbers of the type that they have.

    Raises:
        KapbenchError: no array (a tensor that needs a gradient, say), or one of anything else.
    """
    try:
        found = np.asarray(values)
    except Exception as error:
        raise KapbenchError(
            f"{what} cannot be read as an array: {error}",
            place=place,
            fix="give NumPy arrays, e.g. tensor.detach().float().cpu().numpy()",
        ) from error
    if found.dtype.kind not in "fiu":
        raise KapbenchError(
            f"{what} of type {found.dtype}", place=place, fix="give real numbers, e.g. float32"
        )
    return found


def finite_float32(values: Any, what: str, place: object) -> Float32[np.ndarray, "..."]:
    """
    Raises:
        KapbenchError: as `numbers`; or a value that is not finite, also once rounded to float32.
    """
    with np.errstate(over="ignore"):
        found = numbers(values, what, place).astype(np.float32)
    if not np.isfinite(found).all():
        raise KapbenchError(
            f"{what} with values that are not finite in float32",
            place=place,
            fix="look for NaN in the model's output, or for sizes beyond 3e38",
        )
    return found


def sound_grid(grid: Any, place: object) -> Grid:
    """
    Raises:
        KapbenchError: no Grid, one without cells, or one whose box has no area.
    """
    if not isinstance(grid, Grid):
        raise KapbenchError(
            f"{type(grid).__name__} where a Grid belongs",
            place=place,
            fix="give Grid.letterbox(...) or Grid.stretched(...)",
        )
    cells, (x0, y0, x1, y1) = (grid.height, grid.width), grid.box
    whole = all(isinstance(n, int | np.integer) and n > 0 for n in cells)
    if not whole or not np.isfinite(grid.box).all() or not (x1 > x0 and y1 > y0):
        raise KapbenchError(
            f"a grid of {grid.height}×{grid.width} cells over the box {list(grid.box)}",
            place=place,
            fix="give it cells, and a box x0, y0, x1, y1 that has an area",
        )
    return grid
