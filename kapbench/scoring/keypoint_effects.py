"""How much a score depends on which keypoints a data set annotates.

Confidence intervals resample images: keypoints are the task, and not a sample of it. A difference
between two models that rests on a few keypoints may still not hold on others. Beside a paired
difference stands therefore on how many keypoints it holds, and a p-value that resamples both.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Shaped

from kapbench.scoring.average_precision import average_precision, roc_auc
from kapbench.scoring.diagnosis.shapley import RowSamples, losses
from kapbench.scoring.metrics import kap_samples, pck_correct, pck_rows, scores_of_rows
from kapbench.scoring.rules import Decode, KapRule, PckRule, Rule
from kapbench.scoring.schema import BEST, Records
from kapbench.scoring.splits import TWIN_SPLIT, select


@dataclass(frozen=True)
class KeypointEffects:
    """Of the k keypoints of all categories that a score counts.

    `category`, `keypoint` [k]: place of the category, and the keypoint's id. `score` [k]: of the
    keypoint's rows alone, NaN where undefined. `effect` [k]: by how much the category's score
    changes, to first order, for each unit of weight that the keypoint gains; a category's sum is 0.

    Two of the same pairs and rule can be subtracted.
    """

    category: Int[np.ndarray, "k"]
    keypoint: Int[np.ndarray, "k"]
    score: Float64[np.ndarray, "k"]
    effect: Float64[np.ndarray, "k"]

    def __sub__(self, other: "KeypointEffects") -> "KeypointEffects":
        return KeypointEffects(
            self.category, self.keypoint, self.score - other.score, self.effect - other.effect
        )

    def variances(self, n_categories: int) -> Float64[np.ndarray, "c"]:
        """Of each category's score over draws of its keypoints; NaN with fewer than two."""
        n = np.bincount(self.category, minlength=n_categories)
        squares = np.bincount(self.category, self.effect**2, n_categories)
        return np.asarray(squares * n / np.where(n > 1, n - 1, np.nan))


def keypoint_effects(
    records: Records, rule: Rule, alpha: float, average: str, decode: Decode | None = None
) -> KeypointEffects:
    """Of a rule's own score.

    Args:
        decode: Of the run's model, for a rule of PCK.
    """
    if isinstance(rule, PckRule):
        if decode is None:
            raise ValueError(f"rule {rule.name} needs a decode")
        correct = pck_correct(records, rule, decode, alpha)
        return mean_effects(records, correct, pck_rows(records, rule), average)
    rows = _Rows.of(records, np.arange(len(records)))
    samples = kap_samples(records, rule, alpha)
    alone = average_precision(samples.label, samples.score, rows.place[samples.row], rows.k)
    influence = _of_precision(scores_of_rows(records, rule, alpha), rows.unit(average))
    return rows.effects(alone, influence, average)


def mean_effects(
    records: Records, values: Shaped[np.ndarray, "n"], counted: Bool[np.ndarray, "n"], average: str
) -> KeypointEffects:
    """Of the mean of `values`, numbers or whether they are 1, over the rows that count."""
    rows = _Rows.of(records, np.flatnonzero(counted))
    of_rows = values[rows.number].astype(np.float64)
    influence = _of_mean(of_rows, rows.unit(average))
    n = np.bincount(rows.place, minlength=rows.k)
    return rows.effects(np.bincount(rows.place, of_rows, rows.k) / n, influence, average)


def absence_effects(records: Records, rule: KapRule, *, with_twin: bool) -> KeypointEffects:
    """Of the absence AUROC of a category's rows, on the model's own scores."""
    split = TWIN_SPLIT if with_twin else "all"
    rows = _Rows.of(records, np.flatnonzero(select(records, split)))
    best = records[BEST.of(rule.geometry)].to_numpy(np.float32)[rows.number]
    visible = records["target_visible"].to_numpy(bool)[rows.number]
    alone = [roc_auc(visible[rows.place == i], best[rows.place == i]) for i in range(rows.k)]
    influence = np.full(len(best), np.nan)
    for category in np.unique(rows.category):
        members = np.flatnonzero(rows.category == category)
        influence[members] = _of_auroc(visible[members], best[members])
    return rows.effects(np.array(alone), influence, "category")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows that a score counts. `place` [r]: which of the `k` keypoints, `names` [k 2], each is of."""

    number: Int[np.ndarray, "r"]
    category: Int[np.ndarray, "r"]
    pair: Int[np.ndarray, "r"]
    place: Int[np.ndarray, "r"]
    names: Int[np.ndarray, "k 2"]

    @property
    def k(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, records: Records, number: Int[np.ndarray, "r"]) -> "_Rows":
        category, pair = (
            records[c].cat.codes.to_numpy()[number].astype(np.int64)
            for c in ("category", "pair_id")
        )
        keypoint = records["keypoint"].to_numpy(np.int64)[number]
        both = np.stack([category, keypoint], axis=1)
        names, place = np.unique(both, axis=0, return_inverse=True)
        return cls(number, category, pair, place.ravel(), names)

    def unit(self, average: str) -> Int[np.ndarray, "r"]:
        """What has a score of its own: a row's category, or its pair."""
        return self.category if average in ("category", "point") else self.pair

    def effects(
        self, score: Float64[np.ndarray, "k"], influence: Float64[np.ndarray, "r"], average: str
    ) -> KeypointEffects:
        """From the influence of each row on the score of its unit; NaN where that has none."""
        n_units = _units_in_category(self.unit(average), self.category, influence)
        of_category = np.nan_to_num(influence / n_units[self.category])
        # Without any row, numpy counts in integers.
        effect = np.bincount(self.place, of_category, self.k).astype(np.float64)
        return KeypointEffects(self.names[:, 0], self.names[:, 1], score, effect)


def _units_in_category(
    unit: Int[np.ndarray, "r"], category: Int[np.ndarray, "r"], influence: Float64[np.ndarray, "r"]
) -> Float64[np.ndarray, "c"]:
    """How many scores are averaged: the pairs with a score, or the category's one."""
    scored = ~np.isnan(influence)
    pairs = np.unique(np.stack([category[scored], unit[scored]], axis=1), axis=0)
    n = np.bincount(pairs[:, 0], minlength=int(category.max(initial=-1)) + 1)
    return np.maximum(n, 1).astype(np.float64)


def _of_precision(
    samples: Float[np.ndarray, "r 2"], unit: Int[np.ndarray, "r"]
) -> Float64[np.ndarray, "r"]:
    """Derivative of each unit's average precision with respect to the weight of its rows."""
    out = np.full(len(unit), np.nan)
    order = np.argsort(unit, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(unit[order])) + 1):
        positive, negative = samples[rows].T
        # One type of error, whose share is 1 less the score.
        one = RowSamples(
            positive, np.maximum(positive, negative), negative, np.zeros(len(rows), int)
        )
        out[rows] = -losses(one, 1).influence[:, 1]
    return out


def _of_mean(
    values: Float64[np.ndarray, "r"], unit: Int[np.ndarray, "r"]
) -> Float64[np.ndarray, "r"]:
    n = np.bincount(unit).astype(np.float64)
    mean = np.bincount(unit, values) / np.maximum(n, 1)
    return np.asarray((values - mean[unit]) / n[unit])


def _of_auroc(
    label: Bool[np.ndarray, "r"], score: Float[np.ndarray, "r"]
) -> Float64[np.ndarray, "r"]:
    """How far the comparisons of each row lie from the mean of all, per row of its kind."""
    of_kind = {kind: np.sort(score[label == kind]) for kind in (True, False)}
    if not all(map(len, of_kind.values())):
        return np.full(len(label), np.nan)
    won = np.empty(len(label))
    for kind, others in ((True, of_kind[False]), (False, of_kind[True])):
        sides: list[Literal["left", "right"]] = ["left", "right"]
        below = np.mean([np.searchsorted(others, score[label == kind], side) for side in sides], 0)
        share_below = below / len(others)
        won[label == kind] = share_below if kind else 1 - share_below
    n_of_kind = np.where(label, len(of_kind[True]), len(of_kind[False]))
    return np.asarray((won - won[label].mean()) / n_of_kind)
