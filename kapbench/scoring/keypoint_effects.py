"""How much a score depends on which keypoints a data set annotates.

Confidence intervals resample images: keypoints are the task, and not a sample of it. A difference
between two models that rests on a few keypoints may still not hold on others. Beside a paired
difference stands therefore on how many keypoints it holds, and a p-value that resamples both.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from kapbench.scoring.average_precision import average_precision
from kapbench.scoring.diagnosis.shapley import Samples, losses
from kapbench.scoring.metrics import pck_correct, pck_rows, scores_of_rows
from kapbench.scoring.rules import Decode, KapRule, PckRule, Rule
from kapbench.scoring.schema import Records


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
    records: Records,
    rule: Rule,
    alpha: float,
    average: str,
    decode: Decode | None = None,
    rows: Bool[np.ndarray, "n"] | None = None,
) -> KeypointEffects:
    """Of a rule's own score.

    Args:
        decode: Of the run's model, for a rule of PCK.
        rows: Rows to score; None: all.
    """
    counted = np.ones(len(records), bool) if rows is None else rows
    if isinstance(rule, PckRule):
        counted = counted & pck_rows(records, rule)
    chosen = np.flatnonzero(counted)
    category = records["category"].cat.codes.to_numpy()[chosen].astype(np.int64)
    keypoint = records["keypoint"].to_numpy(np.int64)[chosen]
    pair = records["pair_id"].cat.codes.to_numpy()[chosen].astype(np.int64)
    both = np.stack([category, keypoint], axis=1)
    distinct, place = np.unique(both, axis=0, return_inverse=True)
    place, k = place.ravel(), len(distinct)
    unit = category if average in ("category", "point") else pair
    if isinstance(rule, KapRule):
        samples = scores_of_rows(records, rule, alpha)[chosen]
        influence, score = _of_precision(samples, unit), _precision(samples, place, k)
    else:
        if decode is None:
            raise ValueError(f"rule {rule.name} needs a decode")
        correct = pck_correct(records, rule, decode, alpha)[chosen].astype(np.float64)
        influence = _of_share(correct, unit)
        score = np.bincount(place, correct, k) / np.bincount(place, minlength=k)
    influence = influence / _units_in_category(unit, category, influence)[category]
    effect = np.bincount(place, np.nan_to_num(influence), k)
    return KeypointEffects(distinct[:, 0], distinct[:, 1], score, effect)


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
        one = Samples(positive, np.maximum(positive, negative), negative, np.zeros(len(rows), int))
        out[rows] = -losses(one, 1).influence[:, 1]
    return out


def _precision(
    samples: Float[np.ndarray, "r 2"], place: Int[np.ndarray, "r"], k: int
) -> Float64[np.ndarray, "k"]:
    known = ~np.isnan(samples)
    labels = np.broadcast_to([True, False], samples.shape)[known]
    return average_precision(labels, samples[known], np.repeat(place, known.sum(axis=1)), k)


def _of_share(
    correct: Float64[np.ndarray, "r"], unit: Int[np.ndarray, "r"]
) -> Float64[np.ndarray, "r"]:
    n = np.bincount(unit).astype(np.float64)
    mean = np.bincount(unit, correct) / np.maximum(n, 1)
    return np.asarray((correct - mean[unit]) / n[unit])
