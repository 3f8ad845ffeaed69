"""Differences between runs as a data frame: a row for each pair, rule, and category or average."""

from collections.abc import Iterable, Iterator, Sequence
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
_FAMILY = ["dataset", "rule", "metric"]
_ABSENCE = "absence_auroc"
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
    members: Group, runs: Sequence[Compared], baseline: Compared | None, alpha: float
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
        for scores in _scores_of(rule, members, first.resamples.columns)
        for row in _rows(first, second, rule, members, alpha, scores)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    is_category = frame["over"] == "category"
    families = frame.groupby([*_FAMILY, is_category.rename("is_category")], sort=False)["p"]
    frame["p_adjusted"] = families.transform(lambda p: holm(p.to_numpy(float)))
    return frame


@dataclass(frozen=True, slots=True)
class _Scores:
    """A column of resamples, and what it holds. `over`: how it averages categories."""

    column: str
    metric: str
    split: str
    over: str


def _scores_of(rule: RuleCard, members: Group, resampled: Iterable[str]) -> Iterator[_Scores]:
    """The rule's own scores, and the absence AUROC where the resamples have it."""
    name = stem(rule, members.rules)
    before = "" if name == rule.metric else f"{rule.name}."
    for column in resampled:
        metric, _, split = column.removeprefix(before).partition(".")
        if column == name:
            yield _Scores(column, rule.metric, "all", rule.headline[1])
        elif rule.metric == "kap" and column.startswith(before) and metric == _ABSENCE:
            yield _Scores(column, metric, split or "all", "mean")


def _rows(
    first: Compared, second: Compared, rule: RuleCard, members: Group, alpha: float, scores: _Scores
) -> Iterator[dict[str, Any]]:
    gaps = [
        gap for gap in differences(first.resamples, second.resamples) if gap.column == scores.column
    ]
    categories = first.resamples.categories
    for i, gap in enumerate(gaps):
        over = "category" if i < len(categories) else scores.over
        category = categories[i] if i < len(categories) else scores.over
        average = rule.headline[0] if scores.metric == rule.metric else "category"
        row = first.card.score(
            rule.name, scores.metric, alpha, category, average=average, split=scores.split
        )
        yield {
            "dataset": members.dataset.name,
            "rule": rule.name,
            "metric": scores.metric,
            "alpha": alpha,
            "split": scores.split,
            "model": first.label,
            "baseline": second.label,
            "category": category,
            "over": over,
            **_numbers(first.resamples, second.resamples, scores.column, i, gap),
            "n": 0 if row is None else row.n,
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
