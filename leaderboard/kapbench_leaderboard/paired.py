"""Differences between runs on the same resamples, their p-values, and shared ranks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.scoring.stats import Interval, holm, interval
from kapbench_leaderboard.resamples import Resamples

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """`first` − `second` in one column of one category, or of "mean"; `p` after Holm's correction."""

    category: str
    column: str
    interval: Interval
    p: float


def differences(first: Resamples, second: Resamples) -> list[Difference]:
    """Every column, of every category and of their mean; Holm's correction over a column's categories.

    Raises:
        KapbenchError: the two runs were not asked the same questions.
    """
    _same(first, second)
    out = []
    for column in first.columns:
        gap = first.columns[column] - second.columns[column]
        each = [interval(gap, one) for one in np.eye(len(first.categories))]
        p = holm(np.array([found.p for found in each]))
        out += [
            Difference(name, column, found, float(q))
            for name, found, q in zip(first.categories, each, p, strict=True)
        ]
        mean = interval(gap, first.weights[column])
        out.append(Difference("mean", column, mean, mean.p))
    return out


def against(reference: Resamples, others: Sequence[Resamples], column: str) -> list[Difference]:
    """Each of `others` − `reference` in the mean of a column; Holm's correction over them."""
    found = [mean_difference(other, reference, column) for other in others]
    corrected = holm(np.array([f.p for f in found]))
    return [Difference("mean", column, f, float(p)) for f, p in zip(found, corrected, strict=True)]


def share_ranks(runs: Sequence[Resamples], column: str) -> list[int | None]:
    """1 + how many runs are better beyond chance: those that cannot be told apart share a rank.

    Holm's correction is over all pairs of runs in the column. None: there are others, and against
    none of them could be tested.
    """
    pairs = list(combinations(range(len(runs)), 2))
    found = [mean_difference(runs[i], runs[j], column) for i, j in pairs]
    corrected = holm(np.array([f.p for f in found]))
    rank = [1] * len(runs)
    for (i, j), gap, p in zip(pairs, found, corrected, strict=True):
        if p < SIGNIFICANT:
            rank[j if gap.value > 0 else i] += 1
    tested = {i for pair, p in zip(pairs, corrected, strict=True) if not np.isnan(p) for i in pair}
    return [r if i in tested or len(runs) == 1 else None for i, r in enumerate(rank)]


def mean_difference(first: Resamples, second: Resamples, column: str) -> Interval:
    """`first` − `second` in the average over categories.

    Raises:
        KapbenchError: the two runs were not asked the same questions.
    """
    _same(first, second)
    return interval(first.columns[column] - second.columns[column], first.weights[column])


def _same(first: Resamples, second: Resamples) -> None:
    if first.key != second.key:
        raise KapbenchError(
            "the two runs are not about the same pairs and rules",
            place=f"{first.key} against {second.key}",
            fix="compare runs of one data set revision, split, category list and rules",
        )
