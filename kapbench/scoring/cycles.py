"""k-cycle consistency: whether points come back that are passed around a ring of images.

k-CyPCK of ASIC (Gupta et al. 2023, Sec. 4): it needs no annotation but the starting points, and tells
of a model's consistency, not of its truth: one that maps every image to itself in the same wrong way
is consistent.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

Transfer = Callable[[Int[np.ndarray, "q"]], Int[np.ndarray, "q"]]


def around(start: Int[np.ndarray, "q"], transfers: Sequence[Transfer]) -> Int[np.ndarray, "q"]:
    """Where cells of the first image end after a ring of k transfers.

    Args:
        transfers: From image i to the next, the last back to the first: best cell there of each
            cell here, argmax of the similarity.
    """
    cells = start
    for transfer in transfers:
        cells = transfer(cells)
    return cells


def k_cypck(
    start_xy: Float[np.ndarray, "q 2"],
    end_xy: Float[np.ndarray, "q 2"],
    size_px: Float[np.ndarray, "q"],
    alpha: float,
) -> float:
    """Share of points that end strictly within alpha · size of where they started; NaN without any.

    Args:
        start_xy, end_xy: Centres of cells, in original pixels of the first image: a point that comes
            back to its own cell has no error.
        size_px: T of the first image.
    """
    if not len(start_xy):
        return float("nan")
    error = np.linalg.norm(np.asarray(end_xy) - start_xy, axis=1)
    return float((error < alpha * size_px).mean())
