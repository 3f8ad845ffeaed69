"""On how many keypoints a difference between two models holds, and its p-value over keypoints too."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from kapbench.scoring.intervals import Interval
from kapbench.scoring.keypoint_effects import KeypointEffects


@dataclass(frozen=True, slots=True)
class OverKeypoints:
    """`n_holding` of `n` keypoints have a difference with the sign of the average's.

    Keypoints without a score in one of the runs are not counted. `p`: of the difference where images
    and keypoints are resampled both; NaN where a category has fewer than two keypoints.
    """

    n_holding: int
    n: int
    p: float


def over_keypoints(
    difference: Interval, effects: KeypointEffects, weights: Float[np.ndarray, "c"]
) -> OverKeypoints:
    """Of the average over categories by `weights`, whose interval over images is `difference`."""
    counts = (weights > 0)[effects.category] & ~np.isnan(effects.score)
    holds = np.sign(effects.score[counts]) == np.sign(difference.value)
    variance, freedom = _of_average(effects, weights)
    error = math.sqrt(difference.error**2 + variance)
    both = Interval(difference.value, error, _freedom(difference, variance, freedom))
    return OverKeypoints(int(holds.sum()), int(counts.sum()), both.p)


def _of_average(effects: KeypointEffects, weights: Float[np.ndarray, "c"]) -> tuple[float, float]:
    """Variance of an average over draws of keypoints, and its degrees of freedom (Satterthwaite's)."""
    n = np.bincount(effects.category, minlength=len(weights))
    variances: Float64[np.ndarray, c] = weights**2 * effects.variances(len(weights))
    chosen = weights > 0
    variance = float(variances[chosen].sum())
    spread = float((variances[chosen] ** 2 / np.maximum(n[chosen] - 1, 1)).sum())
    return variance, variance**2 / spread if spread else math.inf


def _freedom(difference: Interval, variance: float, freedom: float) -> float:
    of_images = difference.error**2
    spread = of_images**2 / difference.freedom + variance**2 / freedom
    return (of_images + variance) ** 2 / spread if spread else math.inf
