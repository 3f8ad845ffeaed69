"""A model's scores less the median of the other models', on the same resamples of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

from kapbench.scoring.bootstrap import Replicates, holm, interval
from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.comparison.significance import SIGNIFICANT, of_categories

Weights = Float[np.ndarray, "c"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A difference of `name`, which is a category, a split, or a type of error.

    `p`: after Holm's correction over the gaps that were tested together.
    """

    name: str
    interval: Interval
    p: float

    @property
    def is_significant(self) -> bool:
        """False where there was no test."""
        return self.p < SIGNIFICANT


def by_category(
    own: Replicates, others: Sequence[Replicates], categories: Sequence[str]
) -> list[Gap]:
    """The model less the others' median of each category. Two of the replicates can be subtracted."""
    gap = own - _median(others, np.stack([other.value for other in others]))
    return corrected(dict(zip(categories, of_categories(gap), strict=True)))


def in_average(own: Replicates, others: Sequence[Replicates], weights: Weights) -> Interval:
    """The model less the median of the others' averages over categories."""
    return interval(own - median_model(others, weights), weights, "plain")


def median_model(others: Sequence[Replicates], weights: Weights) -> Replicates:
    """The model whose average is the middle one; of an even number, the mean of the middle two."""
    averages = np.array([_average(other.value, weights) for other in others])
    values = np.repeat(averages[:, None], len(weights), axis=1)
    return _median(others, values)


def corrected(gaps: Mapping[str, Interval]) -> list[Gap]:
    """With Holm's correction over all of them."""
    p = holm(np.array([gap.p for gap in gaps.values()]))
    return [Gap(name, gap, float(q)) for (name, gap), q in zip(gaps.items(), p, strict=True)]


def _average(value: Float64[np.ndarray, "c"], weights: Weights) -> float:
    return float((value * weights)[weights > 0].sum())


def _median(models: Sequence[Replicates], values: Float64[np.ndarray, "m c"]) -> Replicates:
    """Of each category, the model whose entry in `values` is the middle one, or the middle two's mean.

    The same models are taken at every resample, so that differences from them stay paired.
    """
    order = np.argsort(values, axis=0, kind="stable")
    m = len(models)
    middle = order[[(m - 1) // 2, m // 2]]
    value = np.take_along_axis(np.stack([each.value for each in models]), middle, 0).mean(axis=0)
    # A category that a model has no score in has no median.
    value = np.where(np.isnan(values).any(axis=0), np.nan, value)
    return Replicates(
        value,
        _middle([each.products for each in models], middle),
        _middle([each.sums for each in models], middle),
        models[0].n_images,
        models[0].is_shared,
    )


def _middle(
    scores: Sequence[Float32[np.ndarray, "b c"]], middle: Int[np.ndarray, "2 c"]
) -> Float32[np.ndarray, "b c"]:
    every = np.stack(scores)  # m b c
    columns = np.arange(every.shape[2])
    return np.asarray((every[middle[0], :, columns] + every[middle[1], :, columns]).T / 2)
