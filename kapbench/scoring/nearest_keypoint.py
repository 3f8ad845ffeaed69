"""Distances from predicted points to annotated keypoints, in less than quadratic time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.spatial import KDTree

MOST_PER_POINT = 512  # keypoint ids that each predicted point is compared with, one by one


@dataclass(frozen=True, slots=True)
class Distances:
    """Of predicted points from the keypoints of one image, in one frame.

    `away`: from each point to each keypoint, NaN where that is absent; None where that would be too
    many numbers, and trees take their place.
    """

    predicted: Float64[np.ndarray, "q 2"]
    annotated: Float64[np.ndarray, "K 2"]
    away: Float64[np.ndarray, "q K"] | None

    @classmethod
    def of(
        cls, predicted: Float64[np.ndarray, "q 2"], annotated: Float64[np.ndarray, "K 2"]
    ) -> "Distances":
        if len(annotated) > MOST_PER_POINT:
            return cls(predicted, annotated, None)
        away = np.linalg.norm(predicted[:, None] - annotated[None], axis=2)
        return cls(predicted, annotated, away)

    def to(self, ids: Int[np.ndarray, "q"]) -> Float64[np.ndarray, "q"]:
        """Of each point from the keypoint of its id; NaN where that is absent."""
        return np.asarray(np.linalg.norm(self.predicted - self.annotated[ids], axis=1))

    def nearest(
        self, candidates: Bool[np.ndarray, "p K"], pair: Int[np.ndarray, "q"]
    ) -> Int[np.ndarray, "q"]:
        """Id of the candidate nearest to each point, the first of equally near ones; -1 without any.

        Args:
            candidates: Of each pair, the ids that may be chosen.
            pair: Which pair each predicted point is of.
        """
        nearest = np.full(len(self.predicted), -1)
        if self.away is not None:
            has_any = np.asarray(candidates.any(axis=1))[pair]
            if has_any.any():
                away = np.where(candidates[pair], self.away, np.inf)
                nearest[has_any] = away[has_any].argmin(axis=1)
            return nearest
        for number, of_pair in enumerate(candidates):
            rows, ids = np.flatnonzero(pair == number), np.flatnonzero(of_pair)
            if len(rows) and len(ids):
                nearest[rows] = ids[_first_nearest(self.predicted[rows], self.annotated[ids])]
        return nearest

    def to_nearest_other(
        self,
        visible: Bool[np.ndarray, "K"],
        classes: Int[np.ndarray, "p K"],
        pair: Int[np.ndarray, "q"],
        keypoint: Int[np.ndarray, "q"],
        excluded: Int[np.ndarray, "q e"],
    ) -> Float64[np.ndarray, "q"]:
        """Of each point from the nearest visible keypoint of its own keypoint's class; NaN without any.

        Args:
            classes: Of each pair's keypoints; below 0: of no class.
            pair: Which pair each predicted point is of.
            keypoint: Whose map each predicted point is of.
            excluded: Ids that do not count for each predicted point.
        """
        own = classes[pair, keypoint]
        if self.away is not None:
            counts = visible & (classes[pair] == own[:, None]) & (own >= 0)[:, None]
            np.put_along_axis(counts, excluded, values=False, axis=1)
            least = np.where(counts, self.away, np.inf).min(axis=1, initial=np.inf)
            return np.asarray(np.where(counts.any(axis=1), least, np.nan))
        nearest = np.full(len(self.predicted), np.nan)
        for rows, ids in _by_class(visible, classes, pair, own):
            points, left_out = self.predicted[rows], excluded[rows]
            nearest[rows] = _least_distance(points, self.annotated[ids], ids, left_out)
        return nearest


def _by_class(
    visible: Bool[np.ndarray, "K"],
    classes: Int[np.ndarray, "p K"],
    pair: Int[np.ndarray, "q"],
    own: Int[np.ndarray, "q"],
) -> Iterator[tuple[Int[np.ndarray, "r"], Int[np.ndarray, "m"]]]:
    """Predicted points of one pair and class, and the visible keypoints of that class."""
    for number in np.unique(pair):
        rows, ids = np.flatnonzero((pair == number) & (own >= 0)), np.flatnonzero(visible)
        rows = rows[np.argsort(own[rows], kind="stable")]
        ids = ids[np.argsort(classes[number, ids], kind="stable")]
        names, starts = np.unique(own[rows], return_index=True)
        low, high = (np.searchsorted(classes[number, ids], names, s) for s in ("left", "right"))
        for of_class, first, last in zip(np.split(rows, starts[1:]), low, high, strict=True):
            if last > first:
                yield of_class, ids[first:last]


def _least_distance(
    predicted: Float64[np.ndarray, "q 2"],
    annotated: Float64[np.ndarray, "m 2"],
    ids: Int[np.ndarray, "m"],
    excluded: Int[np.ndarray, "q e"],
) -> Float64[np.ndarray, "q"]:
    """From each point to the nearest keypoint whose id is not excluded for it; NaN without any."""
    n = min(1 + excluded.shape[1], len(ids))
    near = KDTree(annotated).query(predicted, k=[*range(1, n + 1)])[1]
    away = np.linalg.norm(predicted[:, None] - annotated[near], axis=2)
    counts = (ids[near][:, :, None] != excluded[:, None]).all(axis=2)
    least = np.where(counts, away, np.inf).min(axis=1)
    return np.asarray(np.where(counts.any(axis=1), least, np.nan))


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
