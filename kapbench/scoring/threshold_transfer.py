"""The other skill, localisation, and whether one threshold serves all pairs and images."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from kapbench.scoring.estimators import ByCategory, Estimator
from kapbench.scoring.metrics import Samples, kap, kap_samples
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import Records


def localisation(records: Records, rule: KapRule, alpha: float) -> Estimator:
    """Average precision among visible keypoints only, pooled per category: no keypoint is absent."""
    return kap(records, rule, alpha, "category", records["target_visible"].to_numpy(bool))


@dataclass(frozen=True)
class Difference:
    """One score of each category less another; n is the first's."""

    first: Estimator
    second: Estimator

    def at(self, weights: Float[np.ndarray, "p b"]) -> ByCategory:
        first, second = self.first.at(weights), self.second.at(weights)
        return replace(first, values=first.values - second.values)

    def by_category(self) -> ByCategory:
        first, second = self.first.by_category(), self.second.by_category()
        return replace(first, values=first.values - second.values)


def threshold_transfer(records: Records, rule: KapRule, alpha: float) -> Difference:
    """KAP pooled per category less the mean of pairs' KAP, by the same rule.

    Below 0, what is lost where one threshold must serve all pairs. Pairs with few samples also have a
    higher average precision by chance, so compare models rather than read it alone.
    """
    return Difference(kap(records, rule, alpha, "category"), kap(records, rule, alpha, "pair"))


@dataclass(frozen=True, slots=True)
class HeldThreshold:
    """A threshold that gives a precision on one half of a category's images, and what it gives there
    and on the other half.

    `threshold`: the lowest score at which the samples of KAP from there up reach the precision; NaN
    where none does, and so are all others. `recall`: share of the positives from the threshold up.
    `n`: samples.
    """

    category: str
    threshold: float
    precision: float
    recall: float
    n: int
    precision_on_other: float
    recall_on_other: float
    n_other: int


def held_thresholds(
    records: Records, rule: KapRule, alpha: float, rng: np.random.Generator, precision: float = 0.8
) -> list[HeldThreshold]:
    """Each category's threshold for `precision` on half of its images, and how it holds on the others.

    `rng` draws the halves. Pairs of two images of one half are used, so that the halves share none.
    """
    samples = kap_samples(records, rule, alpha)
    first, other = (mask[samples.row] for mask in _halves(records, rng))
    codes = records["category"].cat.codes.to_numpy()[samples.row]
    return [
        _held(name, samples, first & (codes == c), other & (codes == c), precision)
        for c, name in enumerate(records["category"].cat.categories)
    ]


def _halves(
    records: Records, rng: np.random.Generator
) -> tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Rows whose two images are of the first half of their category, and of the second."""
    sides = [records[column].to_numpy(str) for column in ("source_image", "target_image")]
    names, image = np.unique(np.concatenate(sides), return_inverse=True)
    category = np.tile(records["category"].cat.codes.to_numpy().astype(np.int64), 2)
    images, codes = np.unique(category * len(names) + image, return_inverse=True)
    of_category = images // len(names)
    in_first = np.zeros(len(images), bool)
    for c in np.unique(of_category):
        members = rng.permutation(np.flatnonzero(of_category == c))
        in_first[members[: len(members) // 2]] = True
    source, target = in_first[codes].reshape(2, -1)
    return source & target, ~source & ~target


def _held(
    category: str,
    samples: Samples,
    first: Bool[np.ndarray, "s"],
    other: Bool[np.ndarray, "s"],
    precision: float,
) -> HeldThreshold:
    label, score = samples.label[first], samples.score[first]
    order = np.argsort(-score, kind="stable")
    label, score = label[order], score[order]
    last_of_tie = np.append(score[1:] != score[:-1], True)[: len(score)]
    reached = last_of_tie & (np.cumsum(label) >= precision * _ranks(label))
    threshold = float(score[np.flatnonzero(reached)[-1]]) if reached.any() else np.nan
    here = _precision_recall(label, score, threshold)
    there = _precision_recall(samples.label[other], samples.score[other], threshold)
    return HeldThreshold(category, threshold, *here, int(first.sum()), *there, int(other.sum()))


def _ranks(label: Bool[np.ndarray, "s"]) -> Int[np.ndarray, "s"]:
    return np.arange(1, len(label) + 1)


def _precision_recall(
    label: Bool[np.ndarray, "s"], score: Float[np.ndarray, "s"], threshold: float
) -> tuple[float, float]:
    above = score >= threshold  # NaN: none
    n_right, n_positive = int((label & above).sum()), int(label.sum())
    precision = n_right / int(above.sum()) if above.any() else np.nan
    has_recall = n_positive and not np.isnan(threshold)
    return precision, n_right / n_positive if has_recall else np.nan
