"""What KAP loses by each type of error: per category or keypoint, with resampled intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from kapbench.scoring.bootstrap import Replicates, Resampling
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.diagnosis.shapley import Losses, Samples, losses


@dataclass(frozen=True, slots=True)
class Influence:
    """First derivative of the gains and shares of one group with respect to its pairs' weights.

    `pair` [m]: pairs that have rows in the group. `of_pair` [m 2t]. `size` [m]: rows of each pair, or
    1 where the group's score is a mean over pairs; scores do not change with the scale of weights.
    """

    pair: Int[np.ndarray, "m"]
    of_pair: Float64[np.ndarray, "m u"]
    size: Float64[np.ndarray, "m"]

    def change(self, weights: Float[np.ndarray, "p b"]) -> Float64[np.ndarray, "b u"]:
        """Change of the gains and shares at other weights, to first order; NaN without any weight."""
        of_pairs = weights[self.pair].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_weight = self.size @ of_pairs / self.size.sum()
            return np.asarray((of_pairs.T @ self.of_pair) / mean_weight[:, None])


@dataclass(frozen=True, slots=True)
class KapLosses:
    """Of g groups and the t types of `TYPES`; NaN for a group without a positive sample.

    `n` [g t]: rows of each type. `score` [g]. `gain`, `share` [g t]: as of `shapley.Losses`.
    `n_images` of a group and its `influence`: what `replicates` needs.
    """

    n: Int[np.ndarray, "g t"]
    score: Float64[np.ndarray, "g"]
    gain: Float64[np.ndarray, "g t"]
    share: Float64[np.ndarray, "g t"]
    influence: Sequence[Influence]
    category: Int[np.ndarray, "g"]

    def replicates(self, resampling: Resampling) -> tuple[list[Replicates], list[Replicates]]:
        """Gains and shares at every resample, to first order in the weights; one for each type.

        The exact shares of 1,000 resamples would take 512,000 average precisions a group; a test
        and benchmarks/speed/diagnosis.py compare the standard errors.
        """
        value = np.concatenate([self.gain, self.share], axis=1)
        kinds = [
            [np.stack([each.change(w) for each in self.influence], axis=1) for w in two]
            for two in resampling.weights()
        ]
        products, sums = (
            (value + np.concatenate(kind)).astype(np.float32) for kind in zip(*kinds, strict=True)
        )
        n_images = resampling.n_images[self.category]
        every = [
            Replicates(value[:, u], products[:, :, u], sums[:, :, u], n_images)
            for u in range(value.shape[1])
        ]
        return every[: len(TYPES)], every[len(TYPES) :]


def pooled_losses(
    samples: Samples,
    group: Int[np.ndarray, "n"],
    category_of_group: Int[np.ndarray, "g"],
    pair: Int[np.ndarray, "n"],
    weights: Float[np.ndarray, "p"] | None = None,
) -> KapLosses:
    """Of rules that pool the samples of a category; a group may also be a keypoint of one.

    Args:
        group: Group of each row; −1: the row is not diagnosed.
        weights: Of pairs; None: 1. An integer weight is that many copies of the pair.
    """
    made, influences = [], []
    for number in range(len(category_of_group)):
        rows = np.flatnonzero(group == number)
        row_weights = None if weights is None else weights[pair[rows]]
        of_group = losses(samples[rows], len(TYPES), row_weights)
        made.append(of_group)
        members, place = np.unique(pair[rows], return_inverse=True)
        of_pair = np.zeros((len(members), 2 * len(TYPES)))
        np.add.at(of_pair, place, of_group.influence)
        influences.append(Influence(members, of_pair, np.bincount(place).astype(np.float64)))
    return _kap_losses(samples, group, category_of_group, made, influences)


def mean_losses(
    samples: Samples,
    group: Int[np.ndarray, "n"],
    category_of_group: Int[np.ndarray, "g"],
    pair: Int[np.ndarray, "n"],
) -> KapLosses:
    """The same of rules that average the scores of pairs: a group's are means over scored pairs."""
    made, influences = [], []
    for number in range(len(category_of_group)):
        rows = np.flatnonzero(group == number)
        members, place = np.unique(pair[rows], return_inverse=True)
        each = [losses(samples[rows[place == i]], len(TYPES)) for i in range(len(members))]
        scored = np.array([not np.isnan(one.score) for one in each], bool)
        kept = [one for one in each if not np.isnan(one.score)]
        values = np.array([np.concatenate([one.gain, one.share]) for one in kept])
        values = values.reshape(len(kept), 2 * len(TYPES))
        mean = values.mean(axis=0) if kept else np.full(2 * len(TYPES), np.nan)
        score = float(np.mean([one.score for one in kept])) if kept else np.nan
        made.append(Losses(score, mean[: len(TYPES)], mean[len(TYPES) :], values))
        of_pair = (values - mean) / max(len(kept), 1)
        influences.append(Influence(members[scored], of_pair, np.ones(len(kept))))
    return _kap_losses(samples, group, category_of_group, made, influences)


def _kap_losses(
    samples: Samples,
    group: Int[np.ndarray, "n"],
    category_of_group: Int[np.ndarray, "g"],
    made: Sequence[Losses],
    influences: Sequence[Influence],
) -> KapLosses:
    n_groups, rows = len(category_of_group), group >= 0
    flat = group[rows] * len(TYPES) + samples.type[rows]
    n = np.bincount(flat, minlength=n_groups * len(TYPES)).reshape(n_groups, len(TYPES))
    return KapLosses(
        n,
        np.array([one.score for one in made]),
        np.array([one.gain for one in made]),
        np.array([one.share for one in made]),
        influences,
        category_of_group,
    )
