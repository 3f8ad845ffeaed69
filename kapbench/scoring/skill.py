"""KAP skill: how far a KAP lies from chance towards the highest score that its rule allows."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64, Int8, Num

from kapbench.scoring.bootstrap import Replicates, Resampling, replicates
from kapbench.scoring.estimators import ByCategory, Estimator, PooledPrecision
from kapbench.scoring.metrics import Samples, kap_of_samples, kap_samples
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import INSIDE, Records

_LEAST_ROOM = 1e-6  # between chance and the ceiling; replicates are float32


@dataclass(frozen=True)
class Skill:
    """(KAP − chance) / (ceiling − chance) of each category: 0 at chance, 1 at the ceiling.

    `kap`: the score itself. `chance`: the same estimator on scores that all tie. `ceiling`: the same
    on the oracle's scores. A category without a KAP, or whose ceiling is not above chance, has no
    skill: NaN.
    """

    kap: Estimator
    chance: Estimator
    ceiling: Estimator

    def at(self, weights: Float[np.ndarray, "p b"]) -> ByCategory:
        kap, chance, ceiling = (e.at(weights) for e in (self.kap, self.chance, self.ceiling))
        return replace(kap, values=_skill(kap.values, chance.values, ceiling.values))

    def by_category(self) -> ByCategory:
        kap, chance, ceiling = (e.by_category() for e in (self.kap, self.chance, self.ceiling))
        return replace(kap, values=_skill(kap.values, chance.values, ceiling.values))

    @cached_property
    def lowest(self) -> Float64[np.ndarray, "c"]:
        """The skill of the lowest KAP that a category's samples allow."""
        chance, ceiling = self.chance.by_category().values, self.ceiling.by_category().values
        of_kap = self.kap.lowest if isinstance(self.kap, PooledPrecision) else 0.0
        return _skill(np.broadcast_to(of_kap, chance.shape), chance, ceiling)

    def replicates(self, of_kap: Replicates, resampling: Resampling) -> Replicates:
        """At every resample, from the replicates of the KAP, which take most of the time."""
        chance, ceiling = (replicates(e, resampling) for e in (self.chance, self.ceiling))
        return replace(
            of_kap,
            value=_skill(of_kap.value, chance.value, ceiling.value),
            products=_skill(of_kap.products, chance.products, ceiling.products),
            sums=_skill(of_kap.sums, chance.sums, ceiling.sums),
        )


def _skill(
    kap: Float[np.ndarray, "*b c"],
    chance: Float[np.ndarray, "*b c"],
    ceiling: Float[np.ndarray, "*b c"],
) -> Float[np.ndarray, "*b c"]:
    room = ceiling - chance
    out = np.full_like(kap, np.nan)
    return np.asarray(np.divide(kap - chance, room, out=out, where=room > _LEAST_ROOM))


def kap_skill(
    records: Records,
    rule: KapRule,
    alpha: float,
    average: str,
    rows: Bool[np.ndarray, "n"] | None = None,
    *,
    twin_split: bool = False,
) -> Skill:
    """The skill of a KAP; arguments as of `metrics.kap`."""
    samples = kap_samples(records, rule, alpha)

    def estimator(score: Num[np.ndarray, "s"]) -> Estimator:
        scored = replace(samples, score=score)
        return kap_of_samples(records, scored, average, rows, twin_split=twin_split)

    tied, of_oracle = (
        np.zeros(len(samples.score), np.int8),
        _of_oracle(records, rule, alpha, samples),
    )
    return Skill(estimator(samples.score), estimator(tied), estimator(of_oracle))


def _of_oracle(
    records: Records, rule: KapRule, alpha: float, samples: Samples
) -> Int8[np.ndarray, "s"]:
    """The oracle's scores: 1 at one cell of a visible keypoint's map, which lies inside the circle if
    any cell does, and 0 elsewhere, also in the whole map of an absent keypoint.
    """
    visible = records["target_visible"].to_numpy(bool)[samples.row]
    inside = records[INSIDE.of(rule.geometry, alpha)].to_numpy(np.float32)[samples.row]
    return np.asarray(visible & (samples.label != np.isnan(inside)), np.int8)
