"""Differences between runs as a data frame: a row for each pair, rule, and category or average."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from kapbench.running.results import RuleCard, RunCard
from kapbench.scoring.bootstrap import holm
from kapbench.scoring.score_table import ABSENCE_AUROC
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.comparison.groups import Group
from kapbench_leaderboard.comparison.part_resamples import PAIRED_PARTS, part_column
from kapbench_leaderboard.comparison.resamples import Resamples, stem, twin_column
from kapbench_leaderboard.comparison.significance import Difference, differences

# What the rows of one Holm correction have in common, beside being of a category or an average.
_FAMILY = ["dataset", "rule", "metric"]
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
    "keypoints",
    "keypoints_holding",
    "p_keypoints",
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
        for first, second, gaps in ((a, b, differences(a.resamples, b.resamples)) for a, b in pairs)
        for rule in members.rules
        for column in _columns(rule, members)
        for row in _rows(first, second, [g for g in gaps if g.column == column.name], column, alpha)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    is_category = frame["over"] == "category"
    families = frame.groupby([*_FAMILY, is_category.rename("is_category")], sort=False)["p"]
    frame["p_adjusted"] = families.transform(lambda p: holm(p.to_numpy(float)))
    return frame


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of resamples, and the keys that its score has in a run card."""

    name: str
    rule: RuleCard
    metric: str
    average: str
    over: str
    split: str


def _columns(rule: RuleCard, members: Group) -> Iterator[_Column]:
    average, over = rule.headline
    yield _Column(stem(rule, members.rules), rule, rule.metric, average, over, "all")
    if rule.metric == "kap":
        name = twin_column(rule, members.rules)
        yield _Column(name, rule, ABSENCE_AUROC, "category", "mean", TWIN_SPLIT)
    for metric in PAIRED_PARTS if rule.metric == "pck" else ():
        yield _Column(part_column(rule, metric, members.rules), rule, metric, average, over, "all")


def _rows(
    first: Compared, second: Compared, gaps: Sequence[Difference], column: _Column, alpha: float
) -> Iterator[dict[str, Any]]:
    """Args: gaps: of this column."""
    runs = (first.resamples, second.resamples)
    if not gaps or all(_is_undefined(run, column.name) for run in runs):
        return
    categories = first.resamples.categories
    for i, gap in enumerate(gaps):
        over = "category" if i < len(categories) else column.over
        category = categories[i] if over == "category" else over
        data, keys = first.card.dataset, (column.rule.name, column.metric, alpha, category)
        score = first.card.score(*keys, average=column.average, split=column.split)
        yield {
            "dataset": data.name,
            "rule": column.rule.name,
            "metric": column.metric,
            "alpha": alpha,
            "split": column.split,
            "model": first.label,
            "baseline": second.label,
            "category": category,
            "over": over,
            **_numbers(first.resamples, second.resamples, column.name, i, gap),
            "n": 0 if score is None else score.n,
            **_over_keypoints(gap),
        }


def _is_undefined(run: Resamples, column: str) -> bool:
    """Whether no category has a score, e.g. no keypoint a mirror counterpart."""
    return bool(np.isnan(run.columns[column].value).all())


def _over_keypoints(gap: Difference) -> dict[str, float]:
    over = gap.over_keypoints
    if over is None:
        return {}
    return {"keypoints": over.n, "keypoints_holding": over.n_holding, "p_keypoints": over.p}


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
