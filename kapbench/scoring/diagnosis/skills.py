"""Two skills apart: to notice that a keypoint is absent, and to find it where it is visible."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kapbench.scoring.absence import Within, absence_auroc
from kapbench.scoring.bootstrap import Resampling, replicates
from kapbench.scoring.diagnosis.quantity import Quantity
from kapbench.scoring.estimators import Estimator, PooledPrecision
from kapbench.scoring.metrics import pck_correct, pck_rows, share
from kapbench.scoring.rules import Decode, KapRule, OverCategories, PckRule
from kapbench.scoring.schema import Records
from kapbench.scoring.skill import kap_skill
from kapbench.scoring.threshold_transfer import (
    localisation,
    precision_on_other_half,
    threshold_transfer,
)

Kind = Literal["score", "absence detection", "localisation", "threshold transfer"]
HELD_PRECISION = 0.8
_HALVINGS = 10


@dataclass(frozen=True, slots=True)
class Measure:
    """`key` names it in files, `words` on screen. `chance`: of scores that all tie; None: unknown."""

    key: str
    kind: Kind
    words: str
    chance: float | None = None


KAP = Measure("kap", "score", "KAP")
CHANCE = Measure("kap.chance", "score", "KAP of scores that all tie")
SKILL = Measure("kap_skill", "score", "KAP skill", 0.0)
PCK = Measure("pck", "localisation", "PCK")
AP_VISIBLE = Measure("kap.visible", "localisation", "KAP of visible keypoints only")


def _absence(key: str, words: str) -> Measure:
    return Measure(f"absence_auroc{key}", "absence detection", words, 0.5)


# With the rows that are compared: only with counterpart, rescaled, within what.
_ABSENCE: tuple[tuple[Measure, bool, bool, Within], ...] = (
    (_absence("", "all keypoints"), False, False, "category"),
    (_absence(".rescaled", "all keypoints, rescaled"), False, True, "category"),
    (_absence(".absent_with_twin", "mirror counterpart visible"), True, False, "category"),
    (
        _absence(".absent_with_twin.rescaled", "counterpart visible, rescaled"),
        True,
        True,
        "category",
    ),
    (_absence(".pair", "within a pair (mean of pairs)"), False, False, "pair"),
    (_absence(".keypoint", "within one keypoint"), False, False, "keypoint"),
)
TRANSFER = Measure("kap.pooled_minus_pairs", "threshold transfer", "KAP, pooled − mean of pairs")
HELD = Measure("held_precision", "threshold transfer", "precision on other images")
MEASURES = (KAP, CHANCE, SKILL, *(m for m, *_ in _ABSENCE), PCK, AP_VISIBLE, TRANSFER)


def measures(
    records: Records,
    kap_rule: KapRule | None,
    pck_rule: PckRule,
    decode: Decode,
    alpha: float,
    resampling: Resampling,
) -> dict[str, Quantity]:
    """By key; without a rule of KAP those of PCK alone."""
    made: dict[str, Quantity] = {}
    if kap_rule is not None:
        made |= _of_kap(records, kap_rule, alpha, resampling)
        for measure, with_twin, rescaled, within in _ABSENCE:
            if not rescaled or kap_rule.rescale != "none":
                auroc = absence_auroc(
                    records, kap_rule, with_twin=with_twin, rescaled=rescaled, within=within
                )
                made[measure.key] = _quantity(auroc, "mean", resampling)
    made |= _of_localisation(records, kap_rule, pck_rule, decode, alpha, resampling)
    if kap_rule is not None:
        gap = threshold_transfer(records, kap_rule, alpha)
        made[TRANSFER.key] = replace(_quantity(gap, "mean", resampling), scale="plain")
    return made


def held_precision(records: Records, rule: KapRule, alpha: float) -> float:
    """Precision on one half of the images at the threshold that gives 80 % on the other half: the mean
    over halvings and categories with rows. NaN: in a category no threshold gives 80 %.
    """
    rng = np.random.default_rng(0)
    halvings = [
        precision_on_other_half(records, rule, alpha, rng, HELD_PRECISION) for _ in range(_HALVINGS)
    ]
    categories = np.unique(records["category"].cat.codes.to_numpy())
    return float(np.mean(np.array(halvings)[:, categories])) if len(categories) else math.nan


def _of_kap(
    records: Records, rule: KapRule, alpha: float, resampling: Resampling
) -> Iterator[tuple[str, Quantity]]:
    average, over = rule.headline
    skill = kap_skill(records, rule, alpha, average)
    score = _quantity(skill.kap, over, resampling)
    yield KAP.key, score
    yield CHANCE.key, _quantity(skill.chance, over, resampling)
    of_skill = skill.replicates(score.replicates, resampling)
    yield SKILL.key, Quantity(of_skill, score.weights, "logit", skill.lowest)


def _of_localisation(
    records: Records,
    kap_rule: KapRule | None,
    pck_rule: PckRule,
    decode: Decode,
    alpha: float,
    resampling: Resampling,
) -> Iterator[tuple[str, Quantity]]:
    average, over = pck_rule.headline
    correct = pck_correct(records, pck_rule, decode, alpha)
    yield (
        PCK.key,
        _quantity(share(records, correct, average, pck_rows(records, pck_rule)), over, resampling),
    )
    if kap_rule is not None:
        of_visible = localisation(records, kap_rule, alpha)
        yield AP_VISIBLE.key, _quantity(of_visible, kap_rule.headline[1], resampling)


def _quantity(estimator: Estimator, over: OverCategories, resampling: Resampling) -> Quantity:
    made = replicates(estimator, resampling)
    lowest = estimator.lowest if isinstance(estimator, PooledPrecision) else 0.0
    return Quantity(made, estimator.by_category().weights(over), "logit", lowest)
