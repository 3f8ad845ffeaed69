"""k-cycle consistency: whether points come back that are passed around a ring of images.

k-CyPCK of ASIC (Gupta et al. 2023): a point goes from the first image of a ring to the second, and on to
the k-th and back to the first, and should be where it started. Asked of keypoints that all images of
the ring show, as released. It tells of a model's consistency, not of its truth: one that is wrong
everywhere in the same way is consistent. Here a point is its cell's centre at either end, where the
released evaluation has the keypoint itself.
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
