"""Scores per category that can be computed at any weights of pairs: what a bootstrap repeats."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Num

from kapbench.scoring.rules import OverCategories

if TYPE_CHECKING:
    from scipy import sparse

_BLOCK = 16


@dataclass(frozen=True, slots=True)
class ByCategory:
    """One score per category; `n` samples, keypoints or pairs behind each, and negatives.

    `n_pairs`: scored pairs, which have a score of their own, or a keypoint or sample that counts.
    """

    values: Float64[np.ndarray, "*b c"]
    n: Int[np.ndarray, "c"]
    n_pairs: Int[np.ndarray, "c"]
    n_negative: Int[np.ndarray, "c"]

    def over_categories(self, how: OverCategories) -> Float64[np.ndarray, "*b"]:
        """Average over categories.

        A category without anything to score (n = 0) is left out; one with n > 0 whose score is
        not defined makes the average NaN. "pair_weighted" weighs by scored pairs, `n_pairs`.
        """
        weight = self._weights(how)
        if not weight.any():
            return np.full(self.values.shape[:-1], np.nan)
        total = (self.values[..., weight > 0] * weight[weight > 0]).sum(axis=-1)
        return np.asarray(total / weight.sum())  # divided last: an average of ones is 1

    def weights(self, how: OverCategories) -> Float64[np.ndarray, "c"]:
        """What each category weighs in an average; the sum is 1, or 0 where every n is 0."""
        by = self._weights(how)
        return by / by.sum() if by.any() else by

    def _weights(self, how: OverCategories) -> Float64[np.ndarray, "c"]:
        by = {
            "mean": (self.n > 0).astype(np.float64),
            "pair_weighted": self.n_pairs,
            "pooled": self.n,
            "negative_weighted": self.n_negative,
        }[how] * (self.n > 0)
        return np.asarray(by, np.float64)


@runtime_checkable
class Estimator(Protocol):
    """A score per category as a function of how often each pair counts."""

    def at(self, weights: Float[np.ndarray, "p b"]) -> ByCategory:
        """`weights` of pairs, in the order of the categories of `pair_id`; an integer weight is
        that many copies of the pair. A category without weight where it counts has no score: NaN.
        """

    def by_category(self) -> ByCategory:
        """Every pair counted once."""


@dataclass(frozen=True)
class Ratio:
    """A weighted sum over pairs by another: shares of points, and means of pairs' scores."""

    numerator: Float64[np.ndarray, "p"]
    denominator: Float64[np.ndarray, "p"]
    category: Int[np.ndarray, "p"]  # −1: a pair that has no row
    n: Int[np.ndarray, "c"]
    n_pairs: Int[np.ndarray, "c"]
    n_negative: Int[np.ndarray, "c"]

    @cached_property
    def _by_category(self) -> tuple[Float64[np.ndarray, "p c"], Float64[np.ndarray, "p c"]]:
        member = self.category[:, None] == np.arange(len(self.n))
        return member * self.numerator[:, None], member * self.denominator[:, None]

    def at(self, weights: Float[np.ndarray, "p b"]) -> ByCategory:
        numerators, denominators = self._by_category
        weights = weights.T.astype(np.float64)  # once, not in each of the products
        above, below = weights @ numerators, weights @ denominators
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(below > 0, above / below, np.nan)
        return ByCategory(values, self.n, self.n_pairs, self.n_negative)

    def by_category(self) -> ByCategory:
        by = self.at(np.ones((len(self.numerator), 1)))
        return ByCategory(by.values[0], by.n, by.n_pairs, by.n_negative)


@dataclass(frozen=True)
class PooledPrecision:
    """Average precision over all samples of a category, tied scores moving together.

    Σ (R_i − R_{i−1})·P_i over the distinct scores, highest first, as scikit-learn defines it. A
    category without a positive or without a negative has no score: nothing is told apart there.

    `balanced`: the negatives of a category weigh as much as its positives together, whatever the
    weights of pairs are.
    """

    label: Bool[np.ndarray, "s"]
    score: Num[np.ndarray, "s"]
    pair: Int[np.ndarray, "s"]
    category: Int[np.ndarray, "s"]
    n_pairs: Int[np.ndarray, "c"]
    balanced: bool = False

    @cached_property
    def n(self) -> Int[np.ndarray, "c"]:
        return np.bincount(self.category, minlength=len(self.n_pairs))

    @cached_property
    def n_negative(self) -> Int[np.ndarray, "c"]:
        return np.bincount(self.category[~self.label], minlength=len(self.n_pairs))

    @property
    def lowest(self) -> Float64[np.ndarray, "c"]:
        """The score with every negative above every positive, of many samples.

        With c negatives for each positive, the precision at recall r is r / (r + c); its integral is
        1 − c·log(1 + 1 / c). A category without positives or negatives has 0.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            per_positive = self.n_negative / (self.n - self.n_negative)
            c = np.ones(len(self.n)) if self.balanced else per_positive
            value = 1 - c * np.log1p(1 / c)
        return np.where((per_positive > 0) & np.isfinite(value), value, 0.0)

    def at(self, weights: Float[np.ndarray, "p b"]) -> ByCategory:
        return self._at(weights, self._ranked.items())

    def by_category(self) -> ByCategory:
        return self._counted_once

    @cached_property
    def _counted_once(self) -> ByCategory:
        """Kept: a KAP's skill needs these of the KAP, of chance and of the ceiling again."""
        ones = np.ones((int(self.pair.max(initial=0)) + 1, 1))
        # One ranking at a time: all of them are three times the samples.
        by = self._at(ones, self._rankings())
        return ByCategory(by.values[0], by.n, by.n_pairs, by.n_negative)

    def _at(
        self, weights: Float[np.ndarray, "p b"], rankings: "Iterable[tuple[int, _Ranked]]"
    ) -> ByCategory:
        values = np.full((weights.shape[1], len(self.n)), np.nan)
        for c, ranked in rankings:
            values[:, c] = ranked.precision(weights, self.balanced)
        return ByCategory(values, self.n, self.n_pairs, self.n_negative)

    @cached_property
    def _ranked(self) -> "dict[int, _Ranked]":
        return dict(self._rankings())

    def _rankings(self) -> "Iterator[tuple[int, _Ranked]]":
        for c in np.flatnonzero(self.n).tolist():
            yield c, self._rank(self.category == c)

    def _rank(self, members: Bool[np.ndarray, "s"]) -> "_Ranked":
        chosen = np.flatnonzero(members)
        chosen = chosen[np.argsort(-self.score[chosen], kind="stable")]
        label, score, pair = self.label[chosen], self.score[chosen], self.pair[chosen]
        ends = np.flatnonzero(np.append(score[1:] != score[:-1], True))
        n_positive = np.cumsum(label)[ends]
        gains = np.diff(n_positive, prepend=0) > 0  # other ends add nothing to the sum
        n_pairs = int(self.pair.max(initial=-1)) + 1
        return _Ranked(
            int(gains.sum()),
            _sums_between(n_positive[gains], pair[label], n_pairs),
            _sums_between(ends[gains] + 1, pair, n_pairs),
            np.bincount(pair[~label], minlength=n_pairs).astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Samples of one category, best first, cut after each tie that holds positives.

    `positives`, `samples`: how many of each pair lie between two cuts; a product with the weights
    of pairs is their sum there. Empty rows follow those of the cuts. `negatives`: how many each
    pair has, also below the last cut.
    """

    n_cuts: int
    positives: "sparse.csr_array"  # [e p]
    samples: "sparse.csr_array"  # [e p]
    negatives: Float32[np.ndarray, "p"]

    def precision(
        self, weights: Float[np.ndarray, "p b"], balanced: bool
    ) -> Float64[np.ndarray, "b"]:
        if not self.n_cuts:
            return np.full(weights.shape[1], np.nan)
        weights = weights[: self.positives.shape[1]]
        # Sums of counts stay whole numbers below 2**24: exact in the weights' own float32.
        gained = self.positives @ weights
        true, taken = _running_sums(gained), _running_sums(self.samples @ weights)
        n_positive, n_negative = true[-1].copy(), self.negatives @ weights
        if balanced:
            with np.errstate(invalid="ignore", divide="ignore"):
                factor = np.where(n_negative > 0, n_positive / n_negative, 0)
            taken = true + factor * (taken - true)
        precision = np.divide(true, taken, out=taken, where=taken > 0)
        at_end = np.multiply(gained, precision, dtype=np.float64)[: self.n_cuts]
        total = at_end.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            both = (n_positive > 0) & (n_negative > 0)
            return np.where(both, total / n_positive, np.nan)


def _sums_between(
    cuts: Int[np.ndarray, "e"], pair: Int[np.ndarray, "s"], n_pairs: int
) -> "sparse.csr_array":
    """[e p] One in row i and a sample's pair for each sample between the cuts i − 1 and i.

    Empty rows follow, up to a whole number of blocks.
    """
    from scipy import sparse

    n = int(cuts[-1]) if len(cuts) else 0
    n_rows = -(-len(cuts) // _BLOCK) * _BLOCK
    starts = np.concatenate([[0], cuts, np.full(n_rows - len(cuts), n)]).astype(np.int32)
    of_pair = np.ones(n, np.float32), pair[:n].astype(np.int32), starts
    return sparse.csr_array(of_pair, shape=(n_rows, n_pairs))


def _running_sums(values: Float[np.ndarray, "n b"]) -> Float[np.ndarray, "n b"]:
    """Sums of the rows up to each; a triangle of ones over blocks is three times as fast as cumsum."""
    blocks = values.reshape(-1, _BLOCK, values.shape[1])
    within = np.tril(np.ones((_BLOCK, _BLOCK), values.dtype)) @ blocks
    before = np.cumsum(within[:, -1], axis=0) - within[:, -1]
    within += before[:, None]
    return np.asarray(within.reshape(values.shape))
