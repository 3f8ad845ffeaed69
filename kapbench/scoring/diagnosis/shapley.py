"""What each type of error costs in an average precision: gains alone and Shapley shares.

All subsets of the types are fixed at once. An average precision needs, at each distinct score of a
positive, how many positives and negatives score at least as high; for a subset of fixed types these
counts are sums over types, so one matrix product gives them for every subset.
"""

from dataclasses import dataclass
from math import factorial

import numpy as np
from jaxtyping import Bool, Float, Float64, Int


@dataclass(frozen=True, slots=True)
class RowSamples:
    """What rows contribute to an average precision, and what they would if their error were fixed.

    `positive`, `fixed`: score of a row's positive sample now and after the fix. `negative`: score of
    its negative, which the fix takes below every other score. NaN: there is no such sample.
    `type`: 0 … n_types − 1, the type of the row's error.
    """

    positive: Float[np.ndarray, "n"]
    fixed: Float[np.ndarray, "n"]
    negative: Float[np.ndarray, "n"]
    type: Int[np.ndarray, "n"]

    def __getitem__(self, rows: Int[np.ndarray, "r"] | Bool[np.ndarray, "n"]) -> "RowSamples":
        return RowSamples(
            self.positive[rows], self.fixed[rows], self.negative[rows], self.type[rows]
        )


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one average precision; all NaN without a positive sample.

    `gain` [t]: the score with one type fixed, less the score. `share` [t]: the mean, over all orders
    in which the types can be fixed, of what fixing a type adds; the sum is 1 − `score`.
    `influence` [n 2t]: derivative of the gains, then of the shares, with respect to the weight of
    each row, at the given weights.
    """

    score: float
    gain: Float64[np.ndarray, "t"]
    share: Float64[np.ndarray, "t"]
    influence: Float64[np.ndarray, "n u"]


def losses(
    samples: RowSamples, n_types: int, weights: Float[np.ndarray, "n"] | None = None
) -> Losses:
    """Gains and Shapley shares of one group of rows, e.g. of a category.

    Args:
        weights: Of rows; an integer weight is that many copies of the row. None: 1.
    """
    present = np.unique(samples.type)
    row_weight = np.ones(len(samples.type)) if weights is None else weights
    counts = _Counts.of(samples, present, row_weight)
    if not counts.n_positive:
        nothing = np.full(n_types, np.nan)
        return Losses(np.nan, nothing, nothing, np.full((len(samples.type), 2 * n_types), np.nan))
    subsets = _subsets(len(present))
    effects = _effects(subsets)
    precision = _Precision.of(counts, subsets)
    values = np.zeros((2, n_types))
    values[:, present] = (precision.value @ effects).reshape(2, -1)
    influence = np.zeros((len(samples.type), 2, n_types))
    influence[:, :, present] = precision.influence(counts, subsets, effects).reshape(
        len(samples.type), 2, -1
    )
    flat = influence.reshape(len(samples.type), -1)
    return Losses(float(precision.value[0]), values[0], values[1], flat)


def _subsets(n_types: int) -> Float64[np.ndarray, "s t"]:
    """One row for each subset, 1 where it fixes the type; the empty one first, the full one last."""
    numbers = np.arange(2**n_types)[:, None]
    return ((numbers >> np.arange(n_types)) & 1).astype(np.float64)


def _effects(subsets: Float64[np.ndarray, "s t"]) -> Float64[np.ndarray, "s u"]:
    """What each subset's score counts in the gains, then in the shares.

    A type joins a subset of k others in k! (t − 1 − k)! of the t! orders.
    """
    n_types = subsets.shape[1]
    gain = np.zeros_like(subsets)
    gain[0] = -1
    gain[1 << np.arange(n_types), np.arange(n_types)] += 1
    fixes = subsets > 0
    n_others = subsets.sum(axis=1)[:, None].astype(int) - fixes
    orders = np.array([factorial(k) * factorial(n_types - 1 - k) for k in range(n_types)])
    weight = orders[np.minimum(n_others, n_types - 1)] / factorial(n_types)
    return np.concatenate([gain, np.where(fixes, weight, -weight)], axis=1)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Weight of samples by type and by place among the k distinct scores of positives, highest first.

    `before`, `after`, `at` [n]: place of a row's positive, its fixed one, and its negative: the first
    place whose score is not above the negative's. k: no such place, or no such sample.
    """

    before: Int[np.ndarray, "n"]
    after: Int[np.ndarray, "n"]
    at: Int[np.ndarray, "n"]
    row_type: Int[np.ndarray, "n"]  # place of the row's type among those present
    positive: Float64[np.ndarray, "t k"]
    fixed: Float64[np.ndarray, "t k"]
    negative: Float64[np.ndarray, "t k"]

    @property
    def n_positive(self) -> float:
        return float(self.positive.sum())

    @classmethod
    def of(
        cls, samples: RowSamples, present: Int[np.ndarray, "t"], weights: Float[np.ndarray, "n"]
    ) -> "_Counts":
        both = np.concatenate([samples.positive, samples.fixed])
        rising = np.unique(both[~np.isnan(both)])
        k = len(rising)

        def places(scores: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
            # A score's place is the number of positives' scores above it.
            above = k - np.searchsorted(rising, scores, side="right")
            return np.where(np.isnan(scores), k, above)

        row_type = np.searchsorted(present, samples.type)
        scores = (samples.positive, samples.fixed, samples.negative)
        before, after, at = (places(score) for score in scores)

        def counts(place: Int[np.ndarray, "n"]) -> Float64[np.ndarray, "t k"]:
            size = len(present) * (k + 1)
            flat = np.bincount(row_type * (k + 1) + place, weights, minlength=size)
            return flat.reshape(len(present), k + 1)[:, :k].astype(np.float64)

        return cls(before, after, at, row_type, counts(before), counts(after), counts(at))


@dataclass(frozen=True, slots=True)
class _Precision:
    """Average precision of each subset, and its derivatives at each of the k scores.

    `of_positive`, `of_negative` [s k+1]: with respect to the weight of a sample at that place.
    """

    value: Float64[np.ndarray, "s"]
    of_positive: Float64[np.ndarray, "s k1"]
    of_negative: Float64[np.ndarray, "s k1"]

    @classmethod
    def of(cls, counts: _Counts, subsets: Float64[np.ndarray, "s t"]) -> "_Precision":
        gained = subsets @ counts.fixed + (1 - subsets) @ counts.positive
        true = np.cumsum(gained, axis=1)
        taken = true + np.cumsum((1 - subsets) @ counts.negative, axis=1)
        n_positive = counts.n_positive
        with np.errstate(invalid="ignore"):
            precision, per_sample = (np.where(taken > 0, x / taken, 0) for x in (true, gained))
        value = (gained * precision).sum(axis=1) / n_positive
        later_positives = _sums_from(per_sample * (1 - precision))
        of_positive = (precision + later_positives - value[:, None]) / n_positive
        of_negative = -_sums_from(per_sample * precision) / n_positive
        nothing = np.zeros((len(subsets), 1))
        return cls(
            value,
            np.concatenate([of_positive, nothing], axis=1),
            np.concatenate([of_negative, nothing], axis=1),
        )

    def influence(
        self,
        counts: _Counts,
        subsets: Float64[np.ndarray, "s t"],
        effects: Float64[np.ndarray, "s u"],
    ) -> Float64[np.ndarray, "n u"]:
        """Derivative of the effects with respect to each row's weight."""
        out = np.empty((len(counts.row_type), effects.shape[1]))
        for number, fixes in enumerate(subsets.T > 0):
            rows = np.flatnonzero(counts.row_type == number)
            now = effects[~fixes].T
            fixed = (effects[fixes].T @ self.of_positive[fixes])[:, counts.after[rows]]
            positive = (now @ self.of_positive[~fixes])[:, counts.before[rows]]
            negative = (now @ self.of_negative[~fixes])[:, counts.at[rows]]
            out[rows] = (fixed + positive + negative).T
        return out


def _sums_from(values: Float64[np.ndarray, "s k"]) -> Float64[np.ndarray, "s k"]:
    """Sum of the values at each place and at all later ones."""
    return np.asarray(np.cumsum(values[:, ::-1], axis=1)[:, ::-1])
