"""Differences between runs as a data frame: a row for each pair, rule, and category or average."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.bootstrap import holm
from kapbench_leaderboard.comparison.groups import Group
from kapbench_leaderboard.comparison.resamples import Resamples, stem
from kapbench_leaderboard.comparison.significance import Difference, differences

# What the rows of one Holm correction have in common, beside being of a category or an average.
_FAMILY = ["dataset", "rule", "split"]
COLUMNS = (
    "dataset",
    "rule",
    "metric",
    "alpha",
    "split",
    "model",
    "baseline",
    "category",
    "over",
    "value",
    "baseline_value",
    "difference",
    "low",
    "high",
    "p",
    "p_adjusted",
    "n",
)


@dataclass(frozen=True, slots=True)
class Compared:
    """A run with what a frame calls it."""

    label: str
    card: RunCard
    resamples: Resamples


def pairwise(
    members: Group, runs: Sequence[Compared], baseline: Compared | None, alpha: float, split: str
) -> pd.DataFrame:
    """The columns are those of `kapbench.compare`.

    Args:
        runs: Of one comparability group, without the baseline.
        baseline: None: every two of `runs` are compared.
    """
    pairs = [(run, baseline) for run in runs] if baseline else list(combinations(runs, 2))
    rows = [
        row
        for first, second in pairs
        for rule in members.rules
        for row in _rows(first, second, rule, members, alpha, split)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    is_category = frame["over"] == "category"
    families = frame.groupby([*_FAMILY, is_category.rename("is_category")], sort=False)["p"]
    frame["p_adjusted"] = families.transform(lambda p: holm(p.to_numpy(float)))
    return frame


def _rows(
    first: Compared, second: Compared, rule: RuleCard, members: Group, alpha: float, split: str
) -> Iterator[dict[str, Any]]:
    name = stem(rule, members.rules)
    column = name if split == "all" else f"{name}.{split}"
    if column not in first.resamples.columns:
        return
    gaps = [g for g in differences(first.resamples, second.resamples) if g.column == column]
    categories = first.resamples.categories
    for i, gap in enumerate(gaps):
        over = "category" if i < len(categories) else rule.headline[1]
        yield {
            "dataset": members.dataset.name,
            "rule": rule.name,
            "metric": rule.metric,
            "alpha": alpha,
            "split": split,
            "model": first.label,
            "baseline": second.label,
            "category": categories[i] if over == "category" else over,
            "over": over,
            **_numbers(first.resamples, second.resamples, column, i, gap),
            "n": _count(first.card, rule, alpha, gap if over == "category" else None, split),
        }


def _numbers(
    first: Resamples, second: Resamples, column: str, i: int, gap: Difference
) -> dict[str, float]:
    values = [
        float(run.columns[column].value[i]) if i < len(run.categories) else run.mean(column).value
        for run in (first, second)
    ]
    span = gap.interval
    return {
        "value": values[0],
        "baseline_value": values[1],
        "difference": span.value,
        "low": span.low,
        "high": span.high,
        "p": span.p,
    }


def _count(card: RunCard, rule: RuleCard, alpha: float, gap: Difference | None, split: str) -> int:
    average, over = rule.headline
    category = over if gap is None else gap.category
    row = card.score(rule.name, rule.metric, alpha, category, average=average, split=split)
    return 0 if row is None else row.n
