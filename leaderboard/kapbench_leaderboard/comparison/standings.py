"""Which models of a board are significantly better than which others, by one column of scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from kapbench.scoring.bootstrap import holm
from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.comparison.median_gaps import Gap
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.comparison.significance import every_two


@dataclass(frozen=True)
class Standings:
    """Paired tests of every two models, with Holm's correction over all of them.

    `gaps`: by the places of two models, the first less the second; of i and j, i < j alone.
    """

    labels: tuple[str, ...]
    gaps: dict[tuple[int, int], Gap]

    def gap(self, i: int, j: int) -> Gap:
        """Model i less model j."""
        if i < j:
            return self.gaps[i, j]
        gap = self.gaps[j, i]
        return Gap(self.labels[j], negated(gap.interval), gap.p)

    def better(self, i: int) -> list[int]:
        """Places of the models that model i is significantly better than."""
        return self._of_sign(i, 1.0)

    def worse(self, i: int) -> list[int]:
        """Places of the models that model i is significantly worse than."""
        return self._of_sign(i, -1.0)

    def _of_sign(self, i: int, sign: float) -> list[int]:
        others = (j for j in range(len(self.labels)) if j != i)
        return [
            j
            for j in others
            if self.gap(i, j).is_significant and np.sign(self.gap(i, j).interval.value) == sign
        ]


def standings(labels: Sequence[str], runs: Sequence[Resamples], column: str) -> Standings:
    """Of models of one board that all have the column.

    Raises:
        KapbenchError: two runs have other pairs or other rules.
    """
    pairs = list(combinations(range(len(runs)), 2))
    intervals = every_two(runs, column)
    p = holm(np.array([each.p for each in intervals]))
    gaps = {
        (i, j): Gap(labels[j], gap, float(q))
        for (i, j), gap, q in zip(pairs, intervals, p, strict=True)
    }
    return Standings(tuple(labels), gaps)


def negated(interval: Interval) -> Interval:
    """Of the difference taken the other way round."""
    return Interval(-interval.value, interval.error, interval.freedom, "plain", interval.n_images)
