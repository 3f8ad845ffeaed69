"""Entries of a leaderboard drawn from a seed: cards, scores and resamples that fit each other."""

from pathlib import Path

import numpy as np

from kapbench.running.results import DatasetCard, ModelCard, Provenance, RuleCard, RunCard
from kapbench.scoring.bootstrap import Replicates
from kapbench.scoring.keypoint_effects import KeypointEffects
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import Score
from kapbench.storage import file_hash, fingerprint
from kapbench_leaderboard.comparison import resamples, resamples_file
from kapbench_leaderboard.comparison.controls import shipped_controls
from kapbench_leaderboard.entries.schema import (
    Entry,
    StoredFile,
    SubmissionCard,
    entry_path,
    resamples_path,
)

RULES = ("kap-cvpr24", "pck-sd-dino")
SPLITS = ("all", "symmetric", "other", "absent_with_twin", *(f"viewpoint={i}" for i in range(5)))
HOSTILE = "a<b>&\"'{{7*7}}"


def drawn(
    folder: Path,
    models: dict[str, float],
    *,
    dataset: str = "spair",
    categories: tuple[str, ...] = ("cat", "cow", "dog"),
    n_resamples: int = 200,
    revision: str = "data1",
    supervision: str = "none",
    conditions_on: tuple[str, ...] = (),
    model_revision: str = "r1",
    n_pairs: int = 60,
) -> None:
    """Writes an entry and resamples for each model and its mean score."""
    for name, value in models.items():
        rng = np.random.default_rng([len(name), *name.encode()])
        by = value + rng.normal(0, 0.03, len(categories))
        run = _run(
            name, by, dataset, categories, revision, supervision, conditions_on, model_revision
        )
        counted = {"n_pairs": n_pairs, "n_pairs_expected": n_pairs}
        run = run.model_copy(update={"dataset": run.dataset.model_copy(update=counted)})
        path = folder / entry_path(run)
        made = _resamples(run, by, n_resamples, rng)
        resamples_file.save(resamples_path(path), made)
        stored = {
            "sha256": file_hash(resamples_path(path)),
            "n_bytes": resamples_path(path).stat().st_size,
        }
        entry = Entry(
            schema_version=1,
            card=_card(name, supervision),
            run=run,
            records=StoredFile(sha256="0" * 64, n_bytes=1, url="https://example.org/records"),
            resamples=StoredFile(**stored),
        )
        path.write_text(entry.model_dump_json(indent=1), encoding="utf-8")


def _card(name: str, supervision: str) -> SubmissionCard:
    return SubmissionCard.model_validate(
        {
            "title": f"The model {name.replace('<', '(').replace('>', ')')}",
            "authors": ["Ada", "Grace"],
            "paper": "https://example.org/paper",
            "licence": "MIT",
            "backbone": "none",
            "supervision": [supervision],
            "training_data": "none",
            "input_px": 512,
            "n_parameters": 1234567,
            "command": "kapbench run",
        }
    )


def _run(
    name: str,
    by: np.ndarray,
    dataset: str,
    categories: tuple[str, ...],
    revision: str,
    supervision: str,
    conditions_on: tuple[str, ...],
    model_revision: str,
) -> RunCard:
    plan = fingerprint(name, dataset, revision, model_revision)
    return RunCard(
        schema_version=1,
        model=shipped_controls().get(name)
        or ModelCard(
            name=name,
            revision=model_revision,
            kind="encoder",
            conditions_on=conditions_on,
            similarity="dot",
            supervision=supervision,
            trained_on=None,
        ),
        dataset=DatasetCard(
            name=dataset,
            revision=revision,
            split="test",
            licence="none",
            categories=categories,
            categories_expected=categories,
            n_pairs=60,
            n_pairs_expected=60,
            n_images=30,
            pairs_hash=revision,
        ),
        rules=tuple(_rule(rule) for rule in RULES),
        plan_hash=plan,
        provenance=Provenance(
            kapbench="0.1.0",
            scoring=2,
            python="3.11",
            packages={"numpy": "2"},
            git_commit=None,
            git_dirty=False,
            platform="Linux",
            device="cpu",
            started="2026-01-01T00:00:00+00:00",
            seconds=1.0,
            seed=0,
            records_sha256=plan * 4,
        ),
        scores=tuple(row for rule in RULES for row in _scores(rule, by, categories)),
    )


def _rule(name: str) -> RuleCard:
    rule = load_rule(name)
    return RuleCard(
        name=name, hash=rule.hash, metric=rule.metric, headline=rule.headline, alphas=rule.alphas
    )


def _scores(rule: str, by: np.ndarray, categories: tuple[str, ...]) -> list[Score]:
    metric, average = ("kap", "category") if rule.startswith("kap") else ("pck", "point")
    out = []
    for split in SPLITS:
        if metric == "pck" and split == "absent_with_twin":
            continue
        for category, value in zip((*categories, "mean"), (*by, by.mean()), strict=True):
            v = float(np.clip(value, 0.02, 0.98))
            out.append(
                Score(
                    rule=rule,
                    metric=metric,
                    average=average,
                    alpha=0.10,
                    split=split,
                    category=category,
                    value=v,
                    n=100,
                    low=v - 0.02,
                    high=v + 0.02,
                )
            )
    if metric == "kap":
        out += [s.model_copy(update={"metric": "kap_skill", **_skill(s)}) for s in out]
        for split in ("all", "absent_with_twin"):
            auroc = {
                "metric": "absence_auroc",
                "split": split,
                "value": 0.6,
                "low": 0.55,
                "high": 0.65,
            }
            out.append(out[len(categories)].model_copy(update=auroc))
        out.append(
            Score(
                rule=rule,
                metric="prevalence",
                average="category",
                alpha=0.10,
                split="all",
                category="mean",
                value=0.4,
                n=100,
            )
        )
    return out


def _skill(score: Score) -> dict[str, float]:
    """Where chance is 0.4 and the ceiling 1."""
    ends = {"value": score.value, "low": score.low, "high": score.high}
    return {name: (end - 0.4) / 0.6 for name, end in ends.items() if end is not None}


def _resamples(
    run: RunCard, by: np.ndarray, n_resamples: int, rng: np.random.Generator
) -> resamples.Resamples:
    columns, weights, keypoints = {}, {}, {}
    for name in ("kap", f"absence_auroc.{resamples.TWIN_SPLIT}", "pck"):
        spread = 0.01 * rng.normal(0, 1, (n_resamples, len(by)))
        columns[name] = Replicates(
            by,
            (by + spread).astype(np.float32),
            (by + spread / 2).astype(np.float32),
            np.full(len(by), 25),
        )
        weights[name] = np.full(len(by), 1 / len(by))
        keypoints[name] = keypoint_effects(by)
    categories = run.dataset.categories
    return resamples.Resamples(resamples.key(run), categories, columns, weights, keypoints)


def keypoint_effects(by: np.ndarray) -> KeypointEffects:
    """Of two keypoints a category, one better than its score and one worse."""
    side = np.tile([0.02, -0.02], len(by))
    category = np.repeat(np.arange(len(by)), 2)
    return KeypointEffects(category, np.tile([0, 1], len(by)), by[category] + side, side / 2)
