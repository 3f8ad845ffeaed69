"""The scores of one run at every resample, from which ranks and paired differences are computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.bootstrap import Replicates, Resampling, interval, replicates
from kapbench.scoring.estimators import Estimator
from kapbench.scoring.intervals import Interval
from kapbench.scoring.keypoint_effects import KeypointEffects, absence_effects, keypoint_effects
from kapbench.scoring.rules import KapRule, OverCategories, PckRule, Rule
from kapbench.scoring.schema import Records
from kapbench.scoring.score_table import ABSENCE_AUROC, estimator
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.comparison.groups import selected_rules
from kapbench_leaderboard.comparison.scoring_versions import scoring_of

# By rule, metric, alpha, average and split: a score, and the same at every resample.
Place = tuple[str, str, float, str, str]
Made = Mapping[Place, tuple[Estimator, Replicates]]


@dataclass(frozen=True)
class Resamples:
    """`columns`: "kap", "absence_auroc.absent_with_twin", "pck"; as `stem` and `twin_column` name them.

    Two can be subtracted if they have the same `key`, that is the same pairs and rules.
    """

    key: str
    categories: tuple[str, ...]
    columns: Mapping[str, Replicates]
    weights: Mapping[str, Float64[np.ndarray, "c"]]  # of categories in a column's average
    keypoints: Mapping[str, KeypointEffects] = field(default_factory=dict)  # by column

    def mean(self, column: str) -> Interval:
        return interval(self.columns[column], self.weights[column], "logit")


def stem(rule: RuleCard, rules: Sequence[RuleCard]) -> str:
    """How a rule's columns begin: with its metric, or with its name where it is one of several."""
    return rule.metric if sum(r.metric == rule.metric for r in rules) == 1 else rule.name


def twin_column(rule: RuleCard, rules: Sequence[RuleCard]) -> str:
    """The column of the absence AUROC of keypoints with a mirror counterpart, of a rule for KAP."""
    name = f"{ABSENCE_AUROC}.{TWIN_SPLIT}"
    return name if stem(rule, rules) == rule.metric else f"{rule.name}.{name}"


def key(run: RunCard, rules: Sequence[str] | None = None, alpha: float | None = None) -> str:
    """Runs of one key have the same pairs and rules, and their images were drawn alike.

    Args:
        rules: Names; None: of the run's, the best-known one of each kind.
        alpha: None: each rule's first.
    """
    data, run_rules = run.dataset, selected_rules(run, rules)
    named = " ".join(f"{r.name}@{r.hash}" for r in run_rules)
    at = "" if all(_alpha(r, alpha) == r.alphas[0] for r in run_rules) else f" alpha {alpha:g}"
    version = scoring_of(run, (rule.name for rule in run_rules))
    return (
        f"{data.name}@{data.revision}.{data.split} {data.pairs_hash} {named}{at} scoring {version}"
    )


def make(
    records: Records,
    run: RunCard,
    rules: Sequence[str] | None = None,
    alpha: float | None = None,
    known: Made | None = None,
) -> Resamples:
    """Columns of the rules that `key` names; a rule without this alpha has no column.

    Args:
        known: What was computed of these records before, and is not computed again.

    Raises:
        KapbenchError: the run was scored by a rule that is not shipped under its name and hash.
    """
    resampling, known = Resampling.of(records), known or {}
    columns: dict[str, Replicates] = {}
    weights: dict[str, np.ndarray] = {}
    keypoints: dict[str, KeypointEffects] = {}
    run_rules = selected_rules(run, rules)
    for card in run_rules:
        if _alpha(card, alpha) not in card.alphas:
            continue
        rule, name = run.rule(card.name), stem(card, run_rules)
        average, over = rule.headline
        at = _alpha(card, alpha)
        places: dict[str, tuple[Place, OverCategories]] = {
            name: ((rule.name, rule.metric, at, average, "all"), over)
        }
        if rule.metric == "kap":  # alpha does not enter the AUROC, which is stored by the first
            place = rule.name, ABSENCE_AUROC, rule.alphas[0], "category", TWIN_SPLIT
            places[twin_column(card, run_rules)] = place, "mean"
        for column, (place, average_over) in places.items():
            if place in known:
                made, columns[column] = known[place]
            else:
                made = _estimator(records, run, rule, place)
                columns[column] = replicates(made, resampling)
            weights[column] = made.by_category().weights(average_over)
            keypoints[column] = _keypoints(records, run, rule, place)
    categories = run.dataset.categories
    return Resamples(key(run, rules, alpha), categories, columns, weights, keypoints)


def _keypoints(records: Records, run: RunCard, rule: Rule, place: Place) -> KeypointEffects:
    _, metric, alpha, average, _ = place
    if metric == ABSENCE_AUROC and isinstance(rule, KapRule):
        return absence_effects(records, rule, with_twin=True)
    decode = run.decode(rule) if isinstance(rule, PckRule) else None
    return keypoint_effects(records, rule, alpha, average, decode)


def _estimator(records: Records, run: RunCard, rule: Rule, place: Place) -> Estimator:
    _, metric, alpha, average, split = place
    return estimator(
        records,
        rule,
        alpha,
        average,
        metric=metric,
        split=split,
        supervised=run.model.supervised,
        window=run.model.window,
    )


def _alpha(rule: RuleCard, alpha: float | None) -> float:
    return rule.alphas[0] if alpha is None else alpha
