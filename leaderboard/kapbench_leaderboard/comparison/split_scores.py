"""A run's scores on parts of its keypoints, and what each type of error costs it, at every resample."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kapbench.running.diagnosis.diagnose_run import diagnosed_rules
from kapbench.running.results import RunCard
from kapbench.scoring.bootstrap import Replicates, Resampling, replicates
from kapbench.scoring.diagnosis.diagnose import diagnose
from kapbench.scoring.diagnosis.kap_losses import KapLosses
from kapbench.scoring.keypoint_effects import KeypointEffects
from kapbench.scoring.metrics import kap
from kapbench.scoring.rules import KapRule, Rule
from kapbench.scoring.schema import Records
from kapbench.scoring.score_table import estimator
from kapbench.scoring.splits import TWIN_SPLIT, annotated_splits

_OF_KAP = ("symmetric", TWIN_SPLIT, *(f"viewpoint={change}" for change in range(5)))


@dataclass(frozen=True)
class OfSplit:
    """A score of each category of a split, and what categories weigh in its average."""

    replicates: Replicates
    weights: Float64[np.ndarray, "c"]


@dataclass(frozen=True)
class CostlyKeypoint:
    """The keypoint without which a category's KAP would be highest, by the effects of first order.

    `without`: KAP without its rows less KAP, of the category alone. `n`: keypoints it was chosen from.
    """

    category: str
    keypoint: int
    without: Replicates
    place: int  # of the category
    n: int


@dataclass(frozen=True)
class SplitScores:
    """`splits`: by metric and split. `losses`: Shapley shares by type of error, empty without KAP.

    `weights`: of categories in the average of losses.
    """

    splits: Mapping[tuple[str, str], OfSplit]
    losses: Mapping[str, Replicates]
    weights: Float64[np.ndarray, "c"] | None
    kap_losses: KapLosses | None
    costly: CostlyKeypoint | None


def split_scores(
    records: Records, card: RunCard, effects: KeypointEffects | None = None
) -> SplitScores:
    """By the run's best-known rules, at the first alpha that both have.

    Args:
        effects: Of keypoints on KAP, from the run's resamples; None: no costly keypoint is named.

    Raises:
        KapbenchError: the run was scored by no rule of PCK.
    """
    kap_rule, pck_rule = diagnosed_rules(card)
    resampling = Resampling.of(records)
    known = annotated_splits(records)
    splits = {
        ("pck", split): _of_split(records, card, pck_rule, split, resampling)
        for split in known
        if split != TWIN_SPLIT
    }
    if kap_rule is None:
        return SplitScores(splits, {}, None, None, None)
    splits |= {
        ("kap", split): _of_split(records, card, kap_rule, split, resampling)
        for split in ("all", *_OF_KAP)
        if split in known
    }
    decode, alpha = card.decode(pck_rule), kap_rule.alphas[0]
    made = diagnose(records, kap_rule, pck_rule, decode, alpha, resampling)
    losses = {name: quantity.replicates for name, quantity in made.shares.items()}
    costly = None
    if effects is not None:
        costly = _costly(records, kap_rule, effects, splits["kap", "all"], resampling)
    return SplitScores(splits, losses, made.weights, made.kap, costly)


def _of_split(
    records: Records, card: RunCard, rule: Rule, split: str, resampling: Resampling
) -> OfSplit:
    average, over = rule.headline
    made = estimator(
        records,
        rule,
        rule.alphas[0],
        average,
        split=split,
        supervised=card.model.supervised,
        window=card.model.window,
    )
    return OfSplit(replicates(made, resampling), made.by_category().weights(over))


def _costly(
    records: Records,
    rule: KapRule,
    effects: KeypointEffects,
    of_all: OfSplit,
    resampling: Resampling,
) -> CostlyKeypoint | None:
    cost = -effects.effect * of_all.weights[effects.category]
    if not len(cost) or np.isnan(cost).all():
        return None
    most = int(np.nanargmax(cost))
    place, keypoint = int(effects.category[most]), int(effects.keypoint[most])
    category = records["category"].cat
    of_category = category.codes.to_numpy() == place
    others = of_category & (records["keypoint"].to_numpy() != keypoint)
    if not others.any():
        return None
    average, _ = rule.headline
    rest = kap(records, rule, rule.alphas[0], average, others)
    without = replicates(rest, resampling) - of_all.replicates
    return CostlyKeypoint(str(category.categories[place]), keypoint, without, place, len(cost))
