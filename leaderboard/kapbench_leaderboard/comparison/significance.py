"""Differences between runs on the same resamples, their p-values, and shared ranks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Float32, Float64

from kapbench.errors import KapbenchError
from kapbench.scoring.bootstrap import Replicates, averaged, holm, interval
from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.comparison.keypoints import OverKeypoints, over_keypoints
from kapbench_leaderboard.comparison.resamples import Resamples

SIGNIFICANT = 0.05
_MANY = 8  # runs from which covariances are quicker than the differences themselves


@dataclass(frozen=True, slots=True)
class Difference:
    """`first` − `second` in one column of one category, or of "mean"; `p` after Holm's correction.

    `over_keypoints`: None where the effects of keypoints are unknown.
    """

    category: str
    column: str
    interval: Interval
    p: float
    over_keypoints: OverKeypoints | None = None


def differences(first: Resamples, second: Resamples) -> list[Difference]:
    """Every column, of every category and of their mean; Holm's correction over a column's categories.

    Raises:
        KapbenchError: the runs have other pairs or other rules.
    """
    _same(first, second)
    out = []
    for column in first.columns:
        gap = first.columns[column] - second.columns[column]
        each = of_categories(gap)
        p = holm(np.array([one.p for one in each]))
        out += [
            Difference(name, column, one, float(q), _over_keypoints(first, second, column, one, w))
            for name, one, q, w in zip(
                first.categories, each, p, np.eye(len(first.categories)), strict=True
            )
        ]
        weights = first.weights[column]
        mean = interval(gap, weights, "plain")
        keypoints = _over_keypoints(first, second, column, mean, weights)
        out.append(Difference("mean", column, mean, mean.p, keypoints))
    return out


def of_categories(difference: Replicates) -> list[Interval]:
    """The interval of each category's difference, whose variances are computed together."""
    variances = difference.variances()
    value, n_images = difference.value, difference.n_images
    return [
        averaged(value, variances, n_images, alone, "plain") for alone in np.eye(len(variances))
    ]


def _over_keypoints(
    first: Resamples,
    second: Resamples,
    column: str,
    difference: Interval,
    weights: Float[np.ndarray, "c"],
) -> OverKeypoints | None:
    if column not in first.keypoints or column not in second.keypoints:
        return None
    effects = first.keypoints[column] - second.keypoints[column]
    return over_keypoints(difference, effects, weights)


def against(reference: Resamples, others: Sequence[Resamples], column: str) -> list[Difference]:
    """Each of `others` − `reference` in the mean of a column; Holm's correction over them."""
    gaps = [mean_difference(other, reference, column) for other in others]
    corrected = holm(np.array([gap.p for gap in gaps]))
    keypoints = [
        _over_keypoints(other, reference, column, gap, reference.weights[column])
        for other, gap in zip(others, gaps, strict=True)
    ]
    return [
        Difference("mean", column, gap, float(p), of_keypoints)
        for gap, p, of_keypoints in zip(gaps, corrected, keypoints, strict=True)
    ]


def share_ranks(runs: Sequence[Resamples], column: str) -> list[int | None]:
    """1 + the number of significantly better runs; runs without significant differences share a rank.

    Holm's correction is over all pairs of runs in the column. None: the run could be tested against
    no other run, or is the only one.
    """
    pairs = list(combinations(range(len(runs)), 2))
    gaps = every_two(runs, column)
    corrected = holm(np.array([gap.p for gap in gaps]))
    rank = [1] * len(runs)
    for (i, j), gap, p in zip(pairs, gaps, corrected, strict=True):
        if p < SIGNIFICANT:
            rank[j if gap.value > 0 else i] += 1
    tested = {i for pair, p in zip(pairs, corrected, strict=True) if not np.isnan(p) for i in pair}
    return [r if i in tested else None for i, r in enumerate(rank)]


def every_two(runs: Sequence[Resamples], column: str) -> list[Interval]:
    """`mean_difference` of all pairs of runs, in the order of combinations.

    Variances of differences come from covariances: a matrix product for all pairs of many runs.

    Raises:
        KapbenchError: two runs have other pairs or other rules.
    """
    pairs = list(combinations(range(len(runs)), 2))
    for run in runs[1:]:
        _same(runs[0], run)
    of_runs = [run.columns[column] for run in runs]
    by_two = len(runs) < _MANY or any(r.is_shared for r in of_runs)
    if by_two or any(np.isnan([r.products, r.sums]).any() for r in of_runs):
        return [mean_difference(runs[i], runs[j], column) for i, j in pairs]
    of_pairs = _of_differences([r.products - 2 * r.sums for r in of_runs])
    by_sums = _of_differences([2 * r.sums for r in of_runs])
    first, weights = of_runs[0], runs[0].weights[column]
    return [
        averaged(
            of_runs[i].value - of_runs[j].value,
            first.parted(of_pairs[:, i, j], by_sums[:, i, j]),
            first.n_images,
            weights,
            "plain",
        )
        for i, j in pairs
    ]


def _of_differences(values: Sequence[Float32[np.ndarray, "b c"]]) -> Float64[np.ndarray, "c r r"]:
    """Variance over resamples of the difference of every two runs."""
    every = np.stack(values).astype(np.float64)  # r b c
    every -= every.mean(axis=1, keepdims=True)
    by = every.transpose(2, 0, 1)
    covariance = by @ by.transpose(0, 2, 1) / (every.shape[1] - 1)
    own = np.diagonal(covariance, axis1=1, axis2=2)
    return np.asarray(np.maximum(own[:, :, None] + own[:, None, :] - 2 * covariance, 0))


def mean_difference(first: Resamples, second: Resamples, column: str) -> Interval:
    """`first` − `second` in the average over categories.

    Raises:
        KapbenchError: the runs have other pairs or other rules.
    """
    _same(first, second)
    gap = first.columns[column] - second.columns[column]
    return interval(gap, first.weights[column], "plain")


def best_and_not_different(
    runs: Sequence[Resamples], column: str, category: str | None = None
) -> list[bool] | None:
    """Which runs have the best score or one that is not significantly different from it.

    Holm's correction is over the other runs. None: a run could not be tested against the best.

    Args:
        category: None: the average over categories.

    Raises:
        KapbenchError: two runs have other pairs or other rules.
    """
    for run in runs[1:]:
        _same(runs[0], run)
    categories = runs[0].categories
    if category is None:
        weights = runs[0].weights[column]
    else:
        weights = np.eye(len(categories))[categories.index(category)]
    values = [interval(run.columns[column], weights, "plain").value for run in runs]
    if np.isnan(values).any():
        return None
    best = int(np.argmax(values))
    gaps = [runs[best].columns[column] - run.columns[column] for run in runs]
    p = [interval(gap, weights, "plain").p for gap in gaps]
    others = [i for i in range(len(runs)) if i != best]
    corrected = dict(zip(others, holm(np.array([p[i] for i in others])), strict=True))
    if any(np.isnan(q) for q in corrected.values()):
        return None
    return [i == best or bool(corrected[i] >= SIGNIFICANT) for i in range(len(runs))]


def _same(first: Resamples, second: Resamples) -> None:
    if first.key != second.key:
        raise KapbenchError(
            "The two runs differ in their pairs or rules and cannot be compared",
            place=f"{first.key} against {second.key}",
            fix="Compare runs of one data set revision, split, category list and set of rules",
        )
