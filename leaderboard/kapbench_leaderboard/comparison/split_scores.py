"""A run's scores on parts of its keypoints, and what each type of error costs it, at every resample."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kapbench.running.diagnosis.diagnose_run import diagnosed_rules
from kapbench.running.results import RunCard
from kapbench.scoring.bootstrap import Replicates, Resampling, replicates
from kapbench.scoring.diagnosis.diagnose import diagnose
from kapbench.scoring.diagnosis.quantity import Quantity
from kapbench.scoring.keypoint_effects import KeypointEffects
from kapbench.scoring.metrics import kap
from kapbench.scoring.rules import KapRule, Rule
from kapbench.scoring.schema import Records
from kapbench.scoring.score_table import estimator
from kapbench.scoring.splits import TWIN_SPLIT, annotated_splits
from kapbench_leaderboard.comparison.resamples import Resamples

# KAP at every resample costs much more than PCK.
_OF_KAP = (TWIN_SPLIT, *(f"viewpoint={change}" for change in range(5)))


@dataclass(frozen=True)
class OfSplit:
    """A score of each category of a split, and what categories weigh in its average."""

    replicates: Replicates
    weights: Float64[np.ndarray, "c"]


@dataclass(frozen=True)
class CostlyKeypoint:
    """The keypoint without which a category's KAP would be highest, by the effects of first order.

    `without`: KAP without its rows less KAP, of which `place` is the
    category. `n`: keypoints it was chosen from.
    """

    category: str
    keypoint: int
    without: Replicates
    place: int
    n: int


@dataclass(frozen=True)
class SplitScores:
    """`splits`: by metric and split. `losses`: Shapley shares by type of error, empty without KAP."""

    splits: Mapping[tuple[str, str], OfSplit]
    losses: Mapping[str, Quantity]
    costly: CostlyKeypoint | None


def split_scores(records: Records, card: RunCard, resamples: Resamples) -> SplitScores:
    """By the run's best-known rules, at the first alpha of each.

    Args:
        resamples: Of the run, by these rules.

    Raises:
        KapbenchError: the run was scored by no rule of PCK.
    """
    kap_rule, pck_rule = diagnosed_rules(card)
    resampling, known = Resampling.of(records), annotated_splits(records)
    splits = {
        (name, "all"): OfSplit(resamples.columns[name], resamples.weights[name])
        for name in ("kap", "pck")
        if name in resamples.columns
    }
    for rule, of_rule in ((pck_rule, known), (kap_rule, _OF_KAP)):
        for split in of_rule:
            if rule is not None and split in known and (rule.metric, split) not in splits:
                splits[rule.metric, split] = _of_split(records, card, rule, split, resampling)
    if kap_rule is None or "kap" not in resamples.columns:
        return SplitScores(splits, {}, None)
    decode, alpha = card.decode(pck_rule), kap_rule.alphas[0]
    made = diagnose(records, kap_rule, pck_rule, decode, alpha, resampling)
    costly = _costly(
        records, kap_rule, resamples.keypoints.get("kap"), splits["kap", "all"], resampling
    )
    return SplitScores(splits, made.shares, costly)


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
    effects: KeypointEffects | None,
    of_all: OfSplit,
    resampling: Resampling,
) -> CostlyKeypoint | None:
    if effects is None:
        return None
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
