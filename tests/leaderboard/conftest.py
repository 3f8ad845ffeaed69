"""Run cards as a finished run writes them, with scores that can be read off the table."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from submissions import dots

import kapbench
from kapbench.running.results import DatasetCard, ModelCard, Provenance, RuleCard, RunCard
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.comparison.controls import shipped_controls

CardMaker = Callable[..., RunCard]
EXPECTED = ("bus", "cat", "cow")
DOTS_RULES = ("kap-cvpr24", "kap-v1", "kap-neurips25", "pck-sd-dino", "pck-geoaware", "pck-v1")


def row(
    rule: str, metric: str, average: str, category: str, value: float | None, **more: Any
) -> Score:
    keys = {"alpha": 0.1, "split": "all", "n": 100} | more
    return Score(rule=rule, metric=metric, average=average, category=category, value=value, **keys)


@pytest.fixture
def card() -> CardMaker:
    return make


@pytest.fixture(scope="session")
def dots_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Finished runs of two models on the dots, of enough images for intervals, on a clean tree."""
    folder, module = tmp_path_factory.mktemp("dots"), dots()
    out = []
    for model in (module.Colours(), module.Greys()):
        done = kapbench.evaluate(
            model,
            module.Dots(n_images=6),
            rule=DOTS_RULES,
            runs=folder,
            cache=folder / "cache",
            device="cpu",
        )
        card = json.loads((done.folder / "run.json").read_text())
        card["provenance"]["git_dirty"] = False
        (done.folder / "run.json").write_text(json.dumps(card))
        out.append(done.folder)
    return out


def make(
    model: str = "lite0",
    kap: float | None = 0.4,
    pck: float | None = 0.5,
    *,
    revision: str = "r1",
    categories: Sequence[str] = ("cat", "cow"),
    n_pairs: int = 20,
    dataset: str = "spair",
    split: str = "test",
    rules: Mapping[str, str] | None = None,
    scores: Sequence[Score] | None = None,
    interval: float | None = None,
) -> RunCard:
    """A card whose category scores are the mean ∓ 0.1, its splits the mean ∓ 0.05."""
    rules = rules or {"kap-cvpr24": "aaa", "pck-sd-dino": "bbb"}
    if scores is None:
        scores = [s for rule in rules for s in _scores(rule, kap, pck, categories, interval)]
    return RunCard(
        schema_version=1,
        model=shipped_controls().get(model)
        or ModelCard(
            name=model,
            revision=revision,
            kind="encoder",
            conditions_on=(),
            similarity="dot",
            supervision="none",
            trained_on=None,
        ),
        dataset=DatasetCard(
            name=dataset,
            revision="data1",
            split=split,
            licence="none",
            categories=tuple(categories),
            categories_expected=EXPECTED,
            n_pairs=n_pairs,
            n_pairs_expected=30,
            n_images=10,
            pairs_hash=f"{n_pairs}-{'-'.join(categories)}",
        ),
        rules=tuple(
            RuleCard(
                name=name,
                hash=value,
                metric="kap" if name.startswith("kap") else "pck",
                headline=("category" if name.startswith("kap") else "point", "mean"),
                alphas=(0.10, 0.05, 0.01),
            )
            for name, value in rules.items()
        ),
        plan_hash="plan",
        provenance=Provenance(
            kapbench="0.1.0",
            scoring=2,
            python="3.11",
            packages={},
            git_commit=None,
            git_dirty=None,
            platform="Linux",
            device="cpu",
            started="2026-01-01T00:00:00+00:00",
            seconds=1.0,
            seed=0,
            records_sha256="0" * 64,
        ),
        scores=tuple(scores),
    )


def _scores(
    rule: str,
    kap: float | None,
    pck: float | None,
    categories: Sequence[str],
    interval: float | None,
) -> list[Score]:
    is_kap = rule.startswith("kap")
    metric, average, value = ("kap", "category", kap) if is_kap else ("pck", "point", pck)

    def moved(by: float) -> float | None:
        return None if value is None else value + by

    bounds = {} if interval is None else {"low": moved(-interval), "high": moved(interval)}
    found = [row(rule, metric, average, "mean", value, **bounds)]
    steps = [-0.1 + 0.2 * i for i in range(len(categories))]
    found += [
        row(rule, metric, average, c, moved(s)) for c, s in zip(categories, steps, strict=True)
    ]
    found.append(row(rule, metric, average, "mean", moved(-0.05), split="symmetric"))
    found.append(row(rule, metric, average, "mean", moved(0.05), split="other"))
    if is_kap:
        found.append(row(rule, metric, average, "mean", None, split="absent_with_twin", n=0))
        found.append(row(rule, "prevalence", "category", "mean", 0.39))
        skills = [s for s in found if s.metric == "kap"]
        found += [s.model_copy(update={"metric": "kap_skill", **_skill(s)}) for s in skills]
        found.append(row(rule, "absence_auroc", "category", "mean", 0.65))
        found.append(
            row(rule, "absence_auroc", "category", "mean", None, split="absent_with_twin", n=0)
        )
    return found


def _skill(score: Score) -> dict[str, float | None]:
    """Where chance is 0.2 and the ceiling 1."""
    ends = {"value": score.value, "low": score.low, "high": score.high}
    return {name: None if end is None else (end - 0.2) / 0.8 for name, end in ends.items()}
