"""The scores of parts of one run at every resample, for paired tests."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Shaped

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.bootstrap import Resampling, replicates
from kapbench.scoring.keypoint_effects import KeypointEffects, mean_effects
from kapbench.scoring.metrics import mean_of_rows, pck_correct
from kapbench.scoring.part_scores import (
    CONCEPT,
    IDENTITY_SHARE,
    WRONG_MEMBER,
    part_scores_in,
    part_values,
)
from kapbench.scoring.rules import PckRule
from kapbench.scoring.schema import Records
from kapbench_leaderboard.comparison.groups import selected_rules
from kapbench_leaderboard.comparison.resamples import Resamples, key, stem

PAIRED_PARTS = (CONCEPT, WRONG_MEMBER, IDENTITY_SHARE)
# By row, what a score is the mean of, and whether the row counts.
_Values = tuple[Shaped[np.ndarray, "n"], Bool[np.ndarray, "n"]]


def part_column(rule: RuleCard, metric: str, rules: Sequence[RuleCard]) -> str:
    """The column of one of PAIRED_PARTS of a rule for PCK, which is one of several."""
    return metric if stem(rule, rules) == rule.metric else f"{rule.name}.{metric}"


def part_resamples(
    records: Records, run: RunCard, rules: Sequence[str] | None = None, alpha: float | None = None
) -> Resamples:
    """Columns of each rule for PCK that counts all keypoints: its own, then PAIRED_PARTS.

    Without parts in the data there is only the rule's own. A score that these records lack, as
    identity of early versions, is NaN.

    Args:
        rules, alpha: As of `resamples.make`.

    Raises:
        KapbenchError: the run was scored by a rule that is not shipped under its name and hash.
    """
    resampling, run_rules = Resampling.of(records), selected_rules(run, rules)
    columns, weights = {}, {}
    keypoints: dict[str, KeypointEffects] = {}
    for card in run_rules:
        rule, at = run.rule(card.name), card.alphas[0] if alpha is None else alpha
        if not isinstance(rule, PckRule) or rule.subset != "all" or at not in card.alphas:
            continue
        average, over = rule.headline
        for metric, (values, counted) in _scores(records, run, rule, at):
            own = metric == rule.metric
            name = stem(card, run_rules) if own else part_column(card, metric, run_rules)
            made = mean_of_rows(records, values, average, counted)
            columns[name] = replicates(made, resampling)
            weights[name] = made.by_category().weights(over)
            if not np.isnan(values[counted]).any():
                keypoints[name] = mean_effects(records, values, counted, average)
    name = f"{key(run, rules, alpha)} parts"
    return Resamples(name, run.dataset.categories, columns, weights, keypoints)


def _scores(
    records: Records, run: RunCard, rule: PckRule, alpha: float
) -> Iterator[tuple[str, _Values]]:
    decode, visible = run.decode(rule), records["target_visible"].to_numpy(bool)
    yield rule.metric, (pck_correct(records, rule, decode, alpha), visible)
    known = part_scores_in(records, decode)
    for metric in PAIRED_PARTS if known else ():
        if metric in known:
            yield metric, part_values(records, rule, decode, alpha, metric)
        else:
            yield metric, (np.full(len(visible), np.nan), visible)
