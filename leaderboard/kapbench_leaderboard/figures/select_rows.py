"""The rules, categories, pairs and keypoints of a run that a figure shows."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kapbench.errors import KapbenchError, unknown
from kapbench.running.results import RunCard
from kapbench.scoring.rules import KapRule, PckRule, Rule
from kapbench_leaderboard.comparison.curves import worst_pairs
from kapbench_leaderboard.comparison.groups import selected_rules


def rules_of(run: RunCard, names: Sequence[str] = ()) -> tuple[KapRule | None, PckRule | None]:
    """The rules for KAP and for PCK: those named, else the run's best-known ones.

    Args:
        names: Names of rules, or files of them.

    Raises:
        KapbenchError: a rule that the run was not scored by.
    """
    rules = [run.rule(name) for name in names]
    kinds = {rule.metric for rule in rules}
    rules += [run.rule(card.name) for card in selected_rules(run) if card.metric not in kinds]
    kap = next((rule for rule in rules if isinstance(rule, KapRule)), None)
    pck = next((rule for rule in rules if isinstance(rule, PckRule)), None)
    return kap, pck


def alpha_of(rule: Rule, alpha: float | None) -> float:
    """`alpha`, or the rule's first. KapbenchError: the rule has no such alpha."""
    if alpha is None:
        return rule.alphas[0]
    if alpha not in rule.alphas:
        known = ", ".join(f"{a:g}" for a in rule.alphas)
        raise KapbenchError(
            f"The rule {rule.name} has no alpha {alpha:g}",
            place="--alpha",
            fix=f"Choose one of {known}",
        )
    return alpha


def of_category(records: pd.DataFrame, category: str | None) -> pd.DataFrame:
    """Rows of a category; None: all.

    Raises:
        KapbenchError: the run has no such category.
    """
    if category is None:
        return records
    names = [str(name) for name in records["category"].cat.categories]
    if category not in names:
        raise unknown("category", category, names, place="the run's categories")
    return records[(records["category"] == category).to_numpy(bool)]


def of_pair(records: pd.DataFrame, pair_id: str) -> pd.DataFrame:
    """Rows of a pair, by keypoint.

    Raises:
        KapbenchError: the run has no such pair.
    """
    rows = records[(records["pair_id"] == pair_id).to_numpy(bool)]
    if rows.empty:
        raise _no_pair(pair_id, [str(name) for name in records["pair_id"].cat.categories])
    return rows


def _no_pair(pair_id: str, known: Sequence[str]) -> KapbenchError:
    error = unknown("pair", pair_id, known, place="the run's records", quoted=True)  # for '>'
    if (error.fix or "").startswith("Known:"):  # a list of thousands of names does not help
        few = ", ".join(f"'{name}'" for name in known[:3])
        fix = f"Choose one of {len(known):,} pairs, e.g. {few}. `kapbench show worst` finds some"
        return KapbenchError(error.thing, place=error.place, fix=fix)
    return error


def of_keypoint(rows: pd.DataFrame, keypoint: int) -> "pd.Series[Any]":
    """The row of one keypoint of a pair.

    Raises:
        KapbenchError: it is not visible in the source image.
    """
    matching_rows = rows[(rows["keypoint"] == keypoint).to_numpy(bool)]
    if matching_rows.empty:
        visible = ", ".join(str(k) for k in rows["keypoint"])
        raise KapbenchError(
            f"Keypoint {keypoint} is not visible in the source image",
            place=f"pair {rows['pair_id'].iloc[0]}",
            fix=f"Choose one of {visible}",
        )
    return matching_rows.iloc[0]


def worst(records: pd.DataFrame, run: RunCard, n: int, rule: PckRule | None = None) -> list[str]:
    """The n worst pairs, worst first: of those with three mutually visible keypoints or more, the
    pairs with the smallest share of correct keypoints, then with the largest mean error.
    """
    return [pair.pair_id for pair in worst_pairs(records, run, n, rule)]
