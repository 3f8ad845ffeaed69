"""What the two published evaluators printed on the golden features, through the whole path.

The features model reads the golden maps; every printed number must come out within 1e-6.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import kapbench
from kapbench.scoring.metrics import kap_samples, pck_rows
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import estimator

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
ALPHAS = (0.10, 0.05, 0.01)
CATEGORIES = ("cat", "dog")
SOFT_PAIRS = 60
RULES = (
    "kap-cvpr24", "kap-neurips25", "pck-sd-dino", "pck-geoaware", "pck-geoaware-soft", "geo",
    "geo-published-point",
)  # fmt: skip


def folder_named_by(variable: str) -> Path:
    found = os.environ.get(variable)
    if not found or not Path(found).is_dir():
        pytest.skip(f"{variable} does not name a folder: the golden comparison needs it")
    return Path(found)


@pytest.fixture(scope="session")
def golden() -> Path:
    folder_named_by("KAPBENCH_DATA")
    return folder_named_by("KAPBENCH_GOLDEN")


@pytest.fixture(scope="session", params=DEVICES)
def results(request, golden, tmp_path_factory) -> kapbench.ResultSet:
    """One run serves all: window 7 is what a model trained on keypoints is decoded with."""
    root = tmp_path_factory.mktemp("golden")
    model = kapbench.load_model(f"features:{golden / 'features'}", device="cpu")
    return kapbench.evaluate(
        trained_on_keypoints(model),
        kapbench.load_dataset("spair", root=os.environ["KAPBENCH_DATA"]),
        rule=RULES,
        categories=CATEGORIES,
        device=request.param,
        runs=root / "runs",
        cache=root / "cache",
    )


def trained_on_keypoints(model):
    kept = ("name", "revision", "conditions_on", "similarity", "encode", "reads_image_id")
    return SimpleNamespace(
        **{k: getattr(model, k) for k in kept if hasattr(model, k)}, supervision="keypoints"
    )


def printed(golden: Path, evaluator: str, category: str) -> dict:
    return json.loads((golden / f"{evaluator}_{category}.json").read_text())


def scores(results, rule: str, category: str, average: str, metric: str = "") -> list[float]:
    metric = metric or load_rule(rule).metric
    rows = [results.card.score(rule, metric, a, category, average=average) for a in ALPHAS]
    return [row.value for row in rows]


def counts(results, rule: str, category: str, average: str) -> list[int]:
    metric = load_rule(rule).metric
    return [results.card.score(rule, metric, a, category, average=average).n for a in ALPHAS]


def near(expected):
    return pytest.approx(expected, abs=1e-6, rel=0)


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize(
    ("key", "rule", "average"),
    [
        ("pck_point", "pck-sd-dino", "point"),
        ("kap_float64", "kap-cvpr24", "category"),
        ("kap", "kap-cvpr24", "category"),
    ],
)
def test_spherical_maps(golden, results, category, key, rule, average):
    expected = printed(golden, "spherical-maps-2024", category)[key]
    assert scores(results, rule, category, average) == near(expected)


@pytest.mark.parametrize("category", CATEGORIES)
def test_spherical_maps_counts(golden, results, category):
    said = printed(golden, "spherical-maps-2024", category)
    assert counts(results, "kap-cvpr24", category, "category") == said["n_samples"]
    share = scores(results, "kap-cvpr24", category, "category", "prevalence")
    positive = [round(s * n) for s, n in zip(share, said["n_samples"], strict=True)]
    assert positive == said["n_positive"]
    records = results.records[results.records["category"] == category]
    assert records["pair_id"].nunique() == said["pairs"]
    assert records["keypoint"].nunique() == said["keypoints_used"]


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_every_sample_of_kap_cvpr24(golden, results, category, alpha):
    """In order of pairs' file names, then keypoints; a visible one gives its positive first."""
    records = results.records
    text = [c for c in records if records[c].dtype == "category"]
    records = records.astype(dict.fromkeys(text, "str"))
    records = records[records["category"] == category]
    records = records.sort_values(["pair_id", "keypoint"], kind="stable", ignore_index=True)
    found = kap_samples(records, load_rule("kap-cvpr24"), alpha)
    with np.load(golden / f"samples_kap-cvpr24_{category}.npz") as expected:
        np.testing.assert_array_equal(found.label, expected[f"label_{alpha:.2f}"])
        np.testing.assert_allclose(found.score, expected[f"score_{alpha:.2f}"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize(
    ("key", "rule", "average", "metric"),
    [
        ("pck_point", "pck-geoaware", "point", "pck"),
        ("pck_image", "pck-geoaware", "image", "pck"),
        ("pckdagger_point", "pck-geoaware", "point", "pck_dagger"),
        ("pckdagger_image", "pck-geoaware", "image", "pck_dagger"),
        ("kap_category", "kap-neurips25", "category", "kap"),
        ("kap_pair", "kap-neurips25", "pair", "kap"),
    ],
)
def test_jamais_vu(golden, results, category, key, rule, average, metric):
    expected = printed(golden, "jamais-vu-2025", category)[key]
    assert scores(results, rule, category, average, metric) == near(expected)


@pytest.mark.parametrize("category", CATEGORIES)
def test_jamais_vu_counts(golden, results, category):
    said = printed(golden, "jamais-vu-2025", category)
    assert counts(results, "pck-geoaware", category, "point") == [said["n_points"]] * 3
    assert counts(results, "pck-geoaware", category, "image") == [said["pairs"]] * 3
    records = results.records[results.records["category"] == category]
    assert sorted(records["keypoint"].unique()) == said["used"]


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("rule", ["geo", "geo-published-point"])
def test_geometry_aware_subset(golden, results, category, rule):
    """Cats and dogs list their groups in order: renumbering changes nothing about them."""
    said = printed(golden, "jamais-vu-2025", category)["geo"]
    assert scores(results, rule, category, "point") == near(said["pck_point"])
    assert counts(results, rule, category, "point") == [said["n"]] * 3
    records = results.records[results.records["category"] == category]
    rows = pck_rows(records, load_rule(rule))
    asked = pck_rows(records, load_rule("pck-geoaware"))
    assert rows.sum() / asked.sum() == near(said["points_share"])
    pairs = records["pair_id"].astype(str)
    assert pairs[rows].nunique() / pairs.nunique() == near(said["pairs_share"])


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("average", ["point", "image"])
def test_window_soft_argmax(golden, results, category, average):
    said = printed(golden, "jamais-vu-2025", category)
    assert said["soft_window7_first_pairs"] == SOFT_PAIRS
    records = results.records[results.records["category"] == category]
    first = sorted(records["pair_id"].astype(str).unique())[:SOFT_PAIRS]
    records = records[records["pair_id"].isin(first)]
    records = records.assign(
        category=pd.Categorical(records["category"].astype(str)),
        pair_id=pd.Categorical(records["pair_id"].astype(str)),
    )
    rule = load_rule("pck-geoaware-soft")
    made = (estimator(records, rule, a, average, supervised=True) for a in ALPHAS)
    found = [m.by_category().values[0] for m in made]
    assert found == near(said[f"soft_window7_pck_{average}"])
