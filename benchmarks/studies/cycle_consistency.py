"""k-cycle consistency: do points return that are matched from image to image around a ring?

k-CyPCK of ASIC (Gupta et al. 2023): a point is matched from the first image of a ring to the second,
and on to the k-th and back to the first, and should end where it started. As in the released
evaluation, it is measured on keypoints that are visible in all images of the ring. It measures the
consistency of a model, not its correctness: a model that is wrong everywhere in the same way is
consistent. Here a point is the centre of its cell at both ends, where the released evaluation uses
the keypoint itself.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

Transfer = Callable[[Int[np.ndarray, "q"]], Int[np.ndarray, "q"]]


def around(start: Int[np.ndarray, "q"], transfers: Sequence[Transfer]) -> Int[np.ndarray, "q"]:
    """The cells of the first image where points end after a ring of k transfers.

    Args:
        transfers: From each image to the next, and from the last back to the first: the best cell
            (argmax of the similarity) for each cell.
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
    """Share of points that end strictly within alpha · size of their start; NaN without points.

    Args:
        start_xy, end_xy: Centres of cells, in original pixels of the first image. A point that returns
            to its own cell has no error.
        size_px: T of the first image.
    """
    if not len(start_xy):
        return float("nan")
    error = np.linalg.norm(np.asarray(end_xy) - start_xy, axis=1)
    return float((error < alpha * size_px).mean())
