"""Intervals and paired differences by a bootstrap over images.

Pairs share images, so pairs are not independent: images are resampled, per category, and a pair
weighs the product of how often its two images were drawn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64

from kapbench.errors import KapbenchError

Statistic = Callable[[pd.DataFrame, Float[np.ndarray, "b n"]], Float64[np.ndarray, "*b"]]
CHUNK = 50


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and the 95 % percentile interval around it."""

    value: float
    low: float
    high: float


def image_weights(
    records: pd.DataFrame, n_resamples: int, rng: np.random.Generator
) -> Float64[np.ndarray, "b n"]:
    """Weight of each row in each resample of the images of its category."""
    source = records["source_image"].astype(str).to_numpy()
    target = records["target_image"].astype(str).to_numpy()
    images, codes = np.unique(np.concatenate([source, target]), return_inverse=True)
    category_of = np.empty(len(images), dtype=object)
    category_of[codes] = np.tile(records["category"].astype(str).to_numpy(), 2)
    counts = np.zeros((n_resamples, len(images)))
    for category in np.unique(category_of.astype(str)):
        members = np.flatnonzero(category_of == category)
        share = np.full(len(members), 1 / len(members))
        counts[:, members] = rng.multinomial(len(members), share, size=n_resamples)
    n = len(records)
    return np.asarray(counts[:, codes[:n]] * counts[:, codes[n:]])


def interval(
    records: pd.DataFrame, statistic: Statistic, n_resamples: int = 1000, seed: int = 0
) -> Interval:
    """Value on the rows as they are, 2.5 and 97.5 percentile over resampled images."""
    value = float(statistic(records, np.ones((1, len(records))))[0])
    samples = [statistic(records, w) for w in _chunks(records, n_resamples, seed)]
    return Interval(value, *_percentiles(np.concatenate(samples)))


def paired_difference(
    first: pd.DataFrame,
    second: pd.DataFrame,
    statistic: Statistic,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """`first` − `second` with both scored on the same resamples.

    Raises:
        KapbenchError: the two tables are not about the same pairs and keypoints.
    """
    first, second = (r.sort_values(["pair_id", "keypoint"], kind="stable") for r in (first, second))
    keys = [list(zip(r["pair_id"], r["keypoint"], strict=True)) for r in (first, second)]
    if keys[0] != keys[1]:
        raise KapbenchError(
            "the two runs are not about the same pairs and keypoints",
            fix="compare runs of one data set revision, split and category list",
        )
    ones = np.ones((1, len(first)))
    value = float((statistic(first, ones) - statistic(second, ones))[0])
    samples = [
        statistic(first, w) - statistic(second, w) for w in _chunks(first, n_resamples, seed)
    ]
    return Interval(value, *_percentiles(np.concatenate(samples)))


def _chunks(
    records: pd.DataFrame, n_resamples: int, seed: int
) -> Iterator[Float64[np.ndarray, "b n"]]:
    rng = np.random.default_rng(seed)
    for start in range(0, n_resamples, CHUNK):
        yield image_weights(records, min(CHUNK, n_resamples - start), rng)


def _percentiles(samples: Float64[np.ndarray, "b"]) -> tuple[float, float]:
    """NaN where a resample had no score: an interval over the rest would be too narrow."""
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(low), float(high)
