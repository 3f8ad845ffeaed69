"""Does a model know that a keypoint is absent? AUROC of a row's best score, visible against absent."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from kapbench.scoring.estimators import ByCategory, Estimator
from kapbench.scoring.metrics import (
    mean_over_pairs,
    pair_range,
    pairs_by_category,
    rescaled_in_pair,
)
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import BEST, Records
from kapbench.scoring.splits import TWIN_SPLIT, select

if TYPE_CHECKING:
    from scipy import sparse

# Which rows of a category are compared with each other.
Within = Literal["category", "pair", "keypoint"]


def absence_auroc(
    records: Records,
    rule: KapRule,
    *,
    with_twin: bool = False,
    rescaled: bool = False,
    within: Within = "category",
) -> Estimator:
    """Chance that a visible keypoint's best score is above an absent one's, ties half, by category.

    A row's score is the highest of its map. 0.5 is chance: what a score that ignores the image gets.
    A category without visible or without absent keypoints has no value: NaN.

    Args:
        with_twin: Only keypoints that have a mirror counterpart, and absent ones only where the
            target shows the counterpart.
        rescaled: Scores rescaled to 0–1 within the pair, as most rules for KAP do; False: as the model
            returns them, so that one threshold serves all pairs.
        within: "category": every visible row against every absent one. "keypoint": only rows of one
            keypoint, each comparison counted once. "pair": the mean of each pair's own value.
    """
    rows = np.flatnonzero(select(records, TWIN_SPLIT if with_twin else "all"))
    category = records["category"].cat.codes.to_numpy()[rows]
    pair = records["pair_id"].cat.codes.to_numpy()[rows]
    visible = records["target_visible"].to_numpy(bool)[rows]
    best, of_pairs = _best(records, rule, rescaled=rescaled)[rows], pairs_by_category(records, rows)
    if within != "pair":
        stratum = category if within == "category" else records["keypoint"].to_numpy()[rows]
        return StratifiedAuroc(visible, best, stratum, pair, category, of_pairs)
    one_each = np.ones(len(records["pair_id"].cat.categories), np.int64)
    of_pair = StratifiedAuroc(visible, best, pair, pair, pair, one_each).by_category().values
    n_negative = np.bincount(category[~visible], minlength=len(of_pairs))
    return mean_over_pairs(records, of_pair, n_negative, of_pairs)


def _best(records: Records, rule: KapRule, *, rescaled: bool) -> Float32[np.ndarray, "n"]:
    best = records[BEST.of(rule.geometry)].to_numpy(np.float32)
    return rescaled_in_pair(best, *pair_range(records, rule.geometry)) if rescaled else best


@dataclass(frozen=True)
class StratifiedAuroc:
    """Chance that a positive scores above a negative of the same category and stratum, ties half.

    Comparisons of all strata of a category count alike. An integer weight of a pair is that many
    copies of it, so a comparison of rows of two pairs counts the product of their weights.
    """

    label: Bool[np.ndarray, "s"]
    score: Float32[np.ndarray, "s"]
    stratum: Int[np.ndarray, "s"]
    pair: Int[np.ndarray, "s"]
    category: Int[np.ndarray, "s"]
    n_pairs: Int[np.ndarray, "c"]

    @cached_property
    def n(self) -> Int[np.ndarray, "c"]:
        return np.bincount(self.category, minlength=len(self.n_pairs))

    @cached_property
    def n_negative(self) -> Int[np.ndarray, "c"]:
        return np.bincount(self.category[~self.label], minlength=len(self.n_pairs))

    def at(self, weights: Float[np.ndarray, "p b"]) -> ByCategory:
        values = np.full((weights.shape[1], len(self.n)), np.nan)
        for c, ranked in self._ranked.items():
            values[:, c] = ranked.auroc(weights)
        return ByCategory(values, self.n, self.n_pairs, self.n_negative)

    def by_category(self) -> ByCategory:
        by = self.at(np.ones((int(self.pair.max(initial=-1)) + 1, 1)))
        return ByCategory(by.values[0], by.n, by.n_pairs, by.n_negative)

    @cached_property
    def _ranked(self) -> "dict[int, _Levels]":
        return {c: self._rank(self.category == c) for c in np.flatnonzero(self.n).tolist()}

    def _rank(self, members: Bool[np.ndarray, "s"]) -> "_Levels":
        chosen = np.flatnonzero(members)
        chosen = chosen[np.lexsort((-self.score[chosen], self.stratum[chosen]))]
        label, score, stratum = self.label[chosen], self.score[chosen], self.stratum[chosen]
        new_stratum = np.append(True, stratum[1:] != stratum[:-1])
        distinct = new_stratum | np.append(True, score[1:] != score[:-1])
        level = _merged(label, np.cumsum(distinct) - 1, new_stratum)
        starts = np.unique(level[new_stratum])
        n_levels, n_pairs = int(level[-1]) + 1, int(self.pair.max()) + 1
        pair = self.pair[chosen]
        return _Levels(
            _counts(level[label], pair[label], (n_levels, n_pairs)),
            _counts(level[~label], pair[~label], (n_levels, n_pairs)),
            starts,
        )


def _merged(
    label: Bool[np.ndarray, "s"], level: Int[np.ndarray, "s"], new_stratum: Bool[np.ndarray, "s"]
) -> Int[np.ndarray, "s"]:
    """Levels of tied scores, numbered anew where neighbours of one label became one level: their
    order does not matter.
    """
    n_rows = np.bincount(level)
    share = np.bincount(level, label) / n_rows
    pure = (share == 0) | (share == 1)
    first = np.flatnonzero(np.diff(level, prepend=-1))
    same = pure[1:] & (share[1:] == share[:-1]) & ~new_stratum[first[1:]]
    return np.asarray((np.cumsum(np.append(True, ~same)) - 1)[level])


def _counts(
    level: Int[np.ndarray, "s"], pair: Int[np.ndarray, "s"], shape: tuple[int, int]
) -> "sparse.csr_array":
    from scipy import sparse

    return sparse.csr_array((np.ones(len(level), np.float32), (level, pair)), shape=shape)


@dataclass(frozen=True, slots=True)
class _Levels:
    """How many rows of each pair lie at each level of a category's scores, best first in a stratum.

    `starts`: the first level of each stratum.
    """

    positives: "sparse.csr_array"  # [l p]
    negatives: "sparse.csr_array"  # [l p]
    starts: Int[np.ndarray, "t"]

    def auroc(self, weights: Float[np.ndarray, "p b"]) -> Float64[np.ndarray, "b"]:
        weights = weights[: self.positives.shape[1]]
        # Sums of counts stay whole numbers below 2**24: exact in the weights' own float32.
        positives, negatives = self.positives @ weights, self.negatives @ weights
        n_positive = np.add.reduceat(positives, self.starts, axis=0, dtype=np.float64)
        n_negative = np.add.reduceat(negatives, self.starts, axis=0, dtype=np.float64)
        above = np.cumsum(positives, axis=0)
        above -= positives / 2
        if len(self.starts) > 1:
            before = np.cumsum(n_positive, axis=0) - n_positive
            sizes = np.diff(np.append(self.starts, len(above)))
            above -= np.repeat(before, sizes, axis=0).astype(above.dtype)
        wins = np.einsum("lb,lb->b", negatives, above, dtype=np.float64)
        comparisons = (n_positive * n_negative).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(comparisons > 0, wins / comparisons, np.nan)
