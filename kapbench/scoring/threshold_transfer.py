"""The other skill, localisation, and whether one threshold serves all pairs and images."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Num

from kapbench.scoring.estimators import ByCategory, Estimator
from kapbench.scoring.metrics import kap, kap_samples
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


def precision_on_other_half(
    records: Records, rule: KapRule, alpha: float, rng: np.random.Generator, precision: float
) -> Float64[np.ndarray, "c"]:
    """Of each category: a threshold gives `precision` on half of its images; this is what it gives on
    the other half.

    The threshold is the lowest score at which the samples of KAP from there up reach the precision.
    NaN where none does, or no score of the other half is as high. `rng` draws the halves. Pairs of two
    images of one half are used, so that the halves share none.
    """
    samples = kap_samples(records, rule, alpha)
    first, other = (mask[samples.row] for mask in _halves(records, rng))
    codes = records["category"].cat.codes.to_numpy()[samples.row]
    out = np.full(len(records["category"].cat.categories), np.nan)
    for c in range(len(out)):
        here, there = first & (codes == c), other & (codes == c)
        threshold = _threshold(samples.label[here], samples.score[here], precision)
        above = samples.label[there][samples.score[there] >= threshold]  # NaN: none
        if len(above):
            out[c] = above.mean()
    return out


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


def _threshold(
    label: Bool[np.ndarray, "s"], score: Num[np.ndarray, "s"], precision: float
) -> float:
    order = np.argsort(-score, kind="stable")
    label, score = label[order], score[order]
    last_of_tie = np.append(score[1:] != score[:-1], True)[: len(score)]
    n_above = np.arange(1, len(label) + 1)
    reached = np.flatnonzero(last_of_tie & (np.cumsum(label) >= precision * n_above))
    return float(score[reached[-1]]) if len(reached) else np.nan
