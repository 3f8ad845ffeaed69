"""The annotated keypoint nearest to each predicted point, in less than quadratic time."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.spatial import KDTree

MOST_PER_POINT = 512  # keypoint ids that each predicted point is compared with, one by one


def nearest_keypoints(
    predicted: Float64[np.ndarray, "q 2"],
    annotated: Float64[np.ndarray, "K 2"],
    candidates: Bool[np.ndarray, "p K"],
    pair: Int[np.ndarray, "q"],
) -> Int[np.ndarray, "q"]:
    """Id of the candidate nearest to each point, the first of equally near ones; -1 without any.

    Args:
        candidates: Of each pair, the ids that may be chosen.
        pair: Which pair each predicted point is of.
    """
    nearest = np.full(len(predicted), -1)
    if candidates.shape[1] <= MOST_PER_POINT:
        has_any = np.asarray(candidates.any(axis=1))[pair]
        if has_any.any():
            away = np.linalg.norm(predicted[:, None] - annotated[None], axis=2)
            nearest[has_any] = np.where(candidates[pair], away, np.inf)[has_any].argmin(axis=1)
        return nearest
    for number, of_pair in enumerate(candidates):
        rows, ids = np.flatnonzero(pair == number), np.flatnonzero(of_pair)
        if len(rows) and len(ids):
            nearest[rows] = ids[_first_nearest(predicted[rows], annotated[ids])]
    return nearest


def _first_nearest(
    predicted: Float64[np.ndarray, "q 2"], annotated: Float64[np.ndarray, "m 2"]
) -> Int[np.ndarray, "q"]:
    points, first = np.unique(annotated, axis=0, return_index=True)
    tree = KDTree(points)
    limits = tree.query(predicted)[0] * (1 + 1e-12)  # the tree rounds distances otherwise
    near: Sequence[Sequence[int]] = tree.query_ball_point(predicted, limits)
    return np.array(
        [_first_of(p, first[n], annotated) for p, n in zip(predicted, near, strict=True)]
    )


def _first_of(
    point: Float64[np.ndarray, "2"],
    ids: Int[np.ndarray, "m"],
    annotated: Float64[np.ndarray, "n 2"],
) -> int:
    ids = np.sort(ids)
    return int(ids[np.linalg.norm(point - annotated[ids], axis=1).argmin()])
