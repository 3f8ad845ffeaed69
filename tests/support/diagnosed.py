"""Runs on a few images with every type of error, and their diagnoses."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scoring_cases import drawn, records

from kapbench.running.diagnosis.diagnose_run import diagnose_run
from kapbench.running.diagnosis.run_diagnosis import By, RunDiagnosis
from kapbench.running.results import DatasetCard, ModelCard, Provenance, RuleCard, RunCard
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import score_table
from kapbench.scoring.versions import SCORING_VERSION

RULES = ("kap-cvpr24", "kap-v1", "pck-sd-dino", "pck-v1")
NEW_COLUMNS = ("group_error_px", "other_error_px", "on_object", "extent")


def table(seed: int = 1, *, scores_seed: int | None = None, n_pairs: int = 60) -> pd.DataFrame:
    """Records of pairs over eight images a category; `scores_seed` draws other maps of them."""
    rules = [load_rule(name) for name in RULES]
    cases = drawn(seed, n_pairs, n_images=8, n_scores=6)
    if scores_seed is not None:
        rng = np.random.default_rng(scores_seed)
        cases = [(p, rng.integers(0, 6, m.shape).astype(np.float32)) for p, m in cases]
    return records(cases, rules)


def without_new_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """As an earlier version of kapbench wrote them."""
    return rows[[name for name in rows if name.partition("@")[0] not in NEW_COLUMNS]]


def card(
    rows: pd.DataFrame, model: str = "lite0", rules: Sequence[str] = RULES, pairs: str = "p"
) -> RunCard:
    """The run card of a table of records."""
    made = [load_rule(name) for name in rules]
    categories = tuple(rows["category"].cat.categories)
    has_absent = any(rule.metric == "kap" for rule in made)
    return RunCard(
        schema_version=1,
        model=ModelCard(
            name=model,
            revision="r1",
            kind="encoder",
            conditions_on=(),
            similarity="dot",
            supervision="none",
            trained_on=None,
        ),
        dataset=DatasetCard(
            name="animals",
            revision="1",
            split="test",
            licence="none",
            categories=categories,
            categories_expected=categories,
            n_pairs=rows["pair_id"].nunique(),
            n_pairs_expected=rows["pair_id"].nunique(),
            n_images=16,
            pairs_hash=pairs,
        ),
        rules=tuple(RuleCard.of(rule) for rule in made),
        plan_hash="plan",
        provenance=Provenance(
            kapbench="0",
            scoring=SCORING_VERSION,
            python="3",
            packages={},
            git_commit=None,
            git_dirty=None,
            platform="",
            device="cpu",
            started="2026-01-01T00:00:00",
            seconds=1,
            seed=0,
            records_sha256=model,
        ),
        scores=tuple(score_table(rows, made, has_absent=has_absent)),
    )


def diagnosed(
    rows: pd.DataFrame,
    model: str = "lite0",
    *,
    rules: Sequence[str] = RULES,
    by: By | None = None,
    pairs: str = "p",
    chosen: tuple[str, ...] = (),
    alpha: float | None = None,
) -> RunDiagnosis:
    return diagnose_run(card(rows, model, rules, pairs), rows, rules=chosen, alpha=alpha, by=by)
