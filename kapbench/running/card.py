"""From records to run.json."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from kapbench.protocols import Dataset, Model
from kapbench.running.plan import Plan, model_kind, supervised
from kapbench.running.progress import Progress
from kapbench.running.provenance import provenance
from kapbench.running.results import (
    SCHEMA_VERSION,
    DatasetCard,
    ModelCard,
    RuleCard,
    RunCard,
    ScoreRow,
)
from kapbench.scoring.rules import Rule
from kapbench.scoring.stats import interval
from kapbench.scoring.table import Score, estimate, score_table

SEED = 0


def make_card(
    model: Model,
    dataset: Dataset,
    plan: Plan,
    records: pd.DataFrame,
    *,
    device: str,
    started: str,
    seconds: float,
    records_sha256: str,
    intervals: bool,
    progress: Progress,
) -> RunCard:
    scores = score_table(
        records, plan.rules, supervised=supervised(model), has_absent=dataset.has_absent
    )
    if intervals:
        scores = _with_intervals(scores, records, plan.rules, supervised(model), progress)
    return RunCard(
        schema_version=SCHEMA_VERSION,
        model=model_card(model),
        dataset=_dataset_card(dataset, plan),
        rules=tuple(RuleCard(name=r.name, hash=r.hash) for r in plan.rules),
        plan_hash=plan.hash,
        provenance=provenance(
            device=device, started=started, seconds=seconds, seed=SEED, records=records_sha256
        ),
        scores=tuple(_row(score) for score in scores),
    )


def model_card(model: Model) -> ModelCard:
    return ModelCard(
        name=model.name,
        revision=model.revision,
        kind=model_kind(model),
        conditions_on=tuple(model.conditions_on),
        similarity=getattr(model, "similarity", None),
        supervision=getattr(model, "supervision", "none"),
        trained_on=getattr(model, "trained_on", None),
        options=dict(getattr(model, "options", {})),
    )


def _dataset_card(dataset: Dataset, plan: Plan) -> DatasetCard:
    coverage = dataset.coverage
    return DatasetCard(
        name=dataset.name,
        revision=dataset.revision,
        split=dataset.split,
        licence=dataset.licence,
        categories=tuple(sorted({p.source.category for p in plan.pairs})),
        categories_expected=coverage.categories_expected,
        n_pairs=len(plan.pairs),
        n_pairs_expected=coverage.n_pairs_expected,
        n_images=len(plan.views),
        pairs_hash=plan.pairs_hash,
    )


def _with_intervals(
    scores: Sequence[Score],
    records: pd.DataFrame,
    rules: Sequence[Rule],
    is_supervised: bool,
    progress: Progress,
) -> list[Score]:
    """95 % intervals for every rule's headline at its first alpha."""
    found: dict[tuple[Any, ...], tuple[float, float]] = {}
    with progress.stage("intervals", len(rules)) as advance:
        for rule in rules:
            average, over = rule.headline
            alpha = rule.alphas[0]

            def statistic(
                rows: pd.DataFrame,
                weights: np.ndarray,
                rule: Rule = rule,
                alpha: float = alpha,
                average: str = average,
            ) -> np.ndarray:
                by = estimate(rows, rule, alpha, average, weights=weights, supervised=is_supervised)
                return by.over_categories(rule.headline[1])

            bounds = interval(records, statistic, seed=SEED)
            found[rule.name, rule.metric, average, alpha, "all", over] = bounds.low, bounds.high
            advance(1)
    return [_bounded(score, found) for score in scores]


def _bounded(score: Score, found: dict[tuple[Any, ...], tuple[float, float]]) -> Score:
    key = (score.rule, score.metric, score.average, score.alpha, score.split, score.category)
    if key not in found:
        return score
    low, high = found[key]
    return Score(**{**asdict(score), "low": low, "high": high})


def _row(score: Score) -> ScoreRow:
    """NaN is not JSON: None stands for it."""
    numbers = {
        k: None if math.isnan(v) else v
        for k, v in asdict(score).items()
        if k in ("value", "low", "high")
    }
    return ScoreRow(**{**asdict(score), **numbers})
