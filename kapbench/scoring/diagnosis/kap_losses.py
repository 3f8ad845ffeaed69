"""What KAP loses by each type of error: per category or keypoint, with resampled intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from kapbench.scoring.bootstrap import Replicates, Resampling
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.diagnosis.shapley import RowSamples, losses

_N = 2 * len(TYPES)  # gains, then shares


@dataclass(frozen=True, slots=True)
class GroupLosses:
    """Of one group, e.g. a category: its score, and its gains followed by its shares, `values`.

    `influence` [m u]: first derivatives of the values with respect to the weights of the group's
    pairs, whose numbers are `pair`. `size` [m]: rows of each pair, or 1 where the group's score is a
    mean over pairs; scores do not change with the scale of weights.
    """

    score: float
    values: Float64[np.ndarray, "u"]
    pair: Int[np.ndarray, "m"]
    influence: Float64[np.ndarray, "m u"]
    size: Float64[np.ndarray, "m"]

    def at(self, weights: Float[np.ndarray, "p b"]) -> Float64[np.ndarray, "b u"]:
        """The values at other weights of pairs, to first order; NaN without any weight."""
        of_pairs = weights[self.pair].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_weight = self.size @ of_pairs / self.size.sum()
            return np.asarray(self.values + (of_pairs.T @ self.influence) / mean_weight[:, None])


@dataclass(frozen=True, slots=True)
class KapLosses:
    """Of g groups and the t types of `TYPES`; NaN for a group without a positive sample.

    `n` [g t]: rows of each type. `category` [g]: of each group.
    """

    n: Int[np.ndarray, "g t"]
    groups: Sequence[GroupLosses]
    category: Int[np.ndarray, "g"]

    @property
    def score(self) -> Float64[np.ndarray, "g"]:
        return np.array([group.score for group in self.groups])

    @property
    def gain(self) -> Float64[np.ndarray, "g t"]:
        """As of `shapley.Losses`."""
        return self._values[:, : len(TYPES)]

    @property
    def share(self) -> Float64[np.ndarray, "g t"]:
        """As of `shapley.Losses`."""
        return self._values[:, len(TYPES) :]

    def _at(self, weights: Float[np.ndarray, "p b"]) -> Float64[np.ndarray, "b g u"]:
        out = np.empty((weights.shape[1], len(self.groups), _N))
        for number, group in enumerate(self.groups):
            out[:, number] = group.at(weights)
        return out

    @property
    def _values(self) -> Float64[np.ndarray, "g u"]:
        return np.array([group.values for group in self.groups]).reshape(len(self.groups), _N)

    def replicates(self, resampling: Resampling) -> tuple[list[Replicates], list[Replicates]]:
        """Gains and shares at every resample, to first order in the weights; one for each type.

        The exact shares of 1,000 resamples would take 512,000 average precisions a group; a test
        and benchmarks/speed/diagnosis.py compare the standard errors.
        """
        kinds = [[self._at(weights) for weights in two] for two in resampling.weights()]
        products, sums = (
            np.concatenate(kind).astype(np.float32) for kind in zip(*kinds, strict=True)
        )
        values, n_images = self._values, resampling.n_images[self.category]
        shared = resampling.is_shared
        every = [
            Replicates(values[:, u], products[:, :, u], sums[:, :, u], n_images, shared)
            for u in range(_N)
        ]
        return every[: len(TYPES)], every[len(TYPES) :]


def kap_losses(
    samples: RowSamples,
    group: Int[np.ndarray, "n"],
    category_of_group: Int[np.ndarray, "g"],
    pair: Int[np.ndarray, "n"],
    *,
    pooled: bool,
    weights: Float[np.ndarray, "p"] | None = None,
) -> KapLosses:
    """Losses of each group of rows.

    Args:
        group: Group of each row, a category or a keypoint of one; −1: the row is not diagnosed.
        pooled: Whether the rule pools the samples of a category, or averages the scores of pairs.
        weights: Of pairs, where samples are pooled; None: 1. An integer weight is that many copies
            of the pair.
    """
    groups = []
    for number in range(len(category_of_group)):
        rows = np.flatnonzero(group == number)
        if pooled:
            row_weights = None if weights is None else weights[pair[rows]]
            groups.append(_pooled(samples[rows], pair[rows], row_weights))
        else:
            groups.append(_mean_over_pairs(samples[rows], pair[rows]))
    n_types, diagnosed = len(TYPES), group >= 0
    flat = group[diagnosed] * n_types + samples.type[diagnosed]
    n = np.bincount(flat, minlength=len(groups) * n_types).reshape(len(groups), n_types)
    return KapLosses(n, groups, category_of_group)


def _pooled(
    samples: RowSamples, pair: Int[np.ndarray, "r"], weights: Float[np.ndarray, "r"] | None
) -> GroupLosses:
    made = losses(samples, len(TYPES), weights)
    members, place = np.unique(pair, return_inverse=True)
    influence = np.zeros((len(members), _N))
    np.add.at(influence, place, made.influence)
    size = np.bincount(place, minlength=len(members)).astype(np.float64)
    values = np.concatenate([made.gain, made.share])
    return GroupLosses(made.score, values, members, influence, size)


def _mean_over_pairs(samples: RowSamples, pair: Int[np.ndarray, "r"]) -> GroupLosses:
    """Means over the pairs that have a score."""
    by_pair = {number: losses(samples[pair == number], len(TYPES)) for number in np.unique(pair)}
    scored = {number: made for number, made in by_pair.items() if not np.isnan(made.score)}
    members = np.array([*scored], np.int64)
    if not scored:
        nothing = np.full(_N, np.nan)
        return GroupLosses(np.nan, nothing, members, np.zeros((0, _N)), np.zeros(0))
    values = np.array([np.concatenate([made.gain, made.share]) for made in scored.values()])
    mean, n = values.mean(axis=0), len(scored)
    score = float(np.mean([made.score for made in scored.values()]))
    return GroupLosses(score, mean, members, (values - mean) / n, np.ones(n))
