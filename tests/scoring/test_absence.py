"""Absence AUROC, localisation and thresholds: scikit-learn's numbers, weights, and the accepted entries."""

from itertools import combinations

import numpy as np
import pytest
from committed_entries import committed_records
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import drawn, pair, records
from sklearn.metrics import average_precision_score, roc_auc_score

from kapbench.scoring.absence import StratifiedAuroc, absence_auroc
from kapbench.scoring.bootstrap import Resampling, interval, replicates
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import score_table
from kapbench.scoring.threshold_transfer import (
    localisation,
    precision_on_other_half,
    threshold_transfer,
)

RULE = load_rule("kap-cvpr24")
seeds = st.integers(0, 2**32 - 1)


def _reference(label, score, weights):
    kept = weights > 0
    if len(set(label[kept].tolist())) < 2:
        return np.nan
    return roc_auc_score(label[kept], score[kept], sample_weight=weights[kept])


@examples(60)
@given(seeds, st.integers(1, 60), st.sampled_from([1, 2, 5, 1000]), st.booleans())
def test_weighted_auroc_is_scikit_learns(seed, n, n_scores, whole):
    rng = np.random.default_rng(seed)
    label, score = rng.random(n) < 0.5, rng.integers(0, n_scores, n).astype(np.float32)
    category, pairs = rng.integers(0, 2, n), rng.integers(0, 5, n)
    weights = (rng.integers(0, 4, (5, 3)) if whole else rng.random((5, 3))).astype(np.float32)
    made = StratifiedAuroc(label, score, category, pairs, category, np.zeros(2, np.int64))
    values = made.at(weights).values
    for b in range(3):
        for c in range(2):
            mine = category == c
            expected = _reference(label[mine], score[mine], weights[pairs[mine], b])
            assert values[b, c] == pytest.approx(expected, abs=1e-5, nan_ok=True)


@examples(40)
@given(seeds, st.integers(2, 50), st.sampled_from([2, 5]))
def test_rows_are_compared_within_their_stratum(seed, n, n_scores):
    rng = np.random.default_rng(seed)
    label, score = rng.random(n) < 0.5, rng.integers(0, n_scores, n).astype(np.float32)
    stratum, pairs = rng.integers(0, 4, n), rng.integers(0, 3, n)
    times = rng.integers(0, 3, 3)
    made = StratifiedAuroc(
        label, score, stratum, pairs, np.zeros(n, np.int64), np.zeros(1, np.int64)
    )
    wins = n_comparisons = 0.0
    for i in np.flatnonzero(label):
        for j in np.flatnonzero(~label & (stratum == stratum[i])):
            times_compared = times[pairs[i]] * times[pairs[j]]
            wins += times_compared * ((score[i] > score[j]) + (score[i] == score[j]) / 2)
            n_comparisons += times_compared
    value = made.at(times[:, None].astype(np.float32)).values[0, 0]
    expected = wins / n_comparisons if n_comparisons else np.nan
    assert value == pytest.approx(expected, abs=1e-6, nan_ok=True)


@examples(20)
@given(seeds, st.integers(1, 6), st.booleans(), st.booleans())
def test_the_rows_and_scores_are_those_of_the_definition(seed, n_pairs, with_twin, rescaled):
    rows = records(drawn(seed, n_pairs), [RULE])
    best, low, high = (rows[f"{c}@cvpr24"] for c in ("best", "map_min", "map_max"))
    score = ((best - low) / (high - low)).fillna(0) if rescaled else best
    chosen = np.ones(len(rows), bool)
    if with_twin:
        chosen = (rows["twin"] != rows["keypoint"]) & (
            rows["target_visible"] | rows["twin_visible"]
        )
    by = absence_auroc(rows, RULE, with_twin=with_twin, rescaled=rescaled).by_category()
    each = absence_auroc(rows, RULE, with_twin=with_twin, rescaled=rescaled, within="pair")
    for c, name in enumerate(rows["category"].cat.categories):
        mine = (chosen & (rows["category"] == name)).to_numpy()
        assert by.n[c] == mine.sum()
        visible, scores = rows["target_visible"].to_numpy()[mine], score.to_numpy()[mine]
        expected = _reference(visible, scores, np.ones(len(scores)))
        assert by.values[c] == pytest.approx(expected, abs=1e-6, nan_ok=True)
        names = rows["pair_id"].to_numpy(str)[mine]
        of_pairs = [
            _reference(visible[names == p], scores[names == p], np.ones((names == p).sum()))
            for p in np.unique(names)
        ]
        known = [v for v in of_pairs if not np.isnan(v)]
        assert each.by_category().values[c] == pytest.approx(
            np.mean(known) if known else np.nan, abs=1e-6, nan_ok=True
        )


def test_auroc_is_stored_for_every_alpha_with_equal_values():
    rows = records(drawn(2, 200, n_images=24), [RULE])
    scores = score_table(rows, [RULE], resampling=Resampling.of(rows, n_resamples=50))
    auroc = [s for s in scores if s.metric == "absence_auroc"]
    assert {s.split for s in auroc} == {"all", "absent_with_twin"}
    assert {s.category for s in auroc} == {"cat", "dog", "mean"}
    of_alpha = [
        [s.model_copy(update={"alpha": 0}) for s in auroc if s.alpha == alpha]
        for alpha in RULE.alphas
    ]
    assert of_alpha[0] == of_alpha[1] == of_alpha[2]
    of_all = [s for s in of_alpha[0] if s.split == "all"]
    assert all(s.low < s.value < s.high for s in of_all)


def test_localisation_leaves_absent_keypoints_out():
    made = pair([(1, 1)] * 2, [(525, 315), None])
    maps = np.zeros((2, 4, 4))
    maps[0, 1, 2], maps[1, 0, 0] = 1, 2  # the absent keypoint is the surest match
    rows = records([(made, maps)], [load_rule("kap-v1")])
    assert localisation(rows, load_rule("kap-v1"), 0.10).by_category().values[0] == 1.0


def test_threshold_transfer_is_pooled_less_by_pair():
    """Each pair alone is perfect; over pairs, the second pair's negative is above the first's positive."""
    cases = []
    for i, level in enumerate((0.0, 10.0)):
        maps = np.full((1, 4, 4), level)
        maps[0, 1, 2] += 1
        cases.append((pair([(1, 1)], [(525, 315)], name=str(i)), maps))
    rule = load_rule("kap-v1")
    rows = records(cases, [rule])
    transfer = threshold_transfer(rows, rule, 0.10)
    # Pooled: positive, negative, positive, negative.
    assert transfer.by_category().values[0] == pytest.approx((1 + 2 / 3) / 2 - 1)
    assert transfer.at(np.ones((2, 1), np.float32)).values[0, 0] == pytest.approx(-1 / 6)


@pytest.mark.parametrize("rule", [load_rule("kap-v1"), RULE], ids=lambda rule: rule.name)
def test_a_threshold_is_set_on_one_half_of_the_images_and_tried_on_the_other(rule):
    """Of five images two are the first half: the precision is that of one such half, written out."""
    rows = records(drawn(3, 40, categories=["cat"], n_images=5, n_scores=8, cells=5), [rule])
    samples = kap_samples(rows, rule, 0.10)
    expected = []
    for half in combinations(sorted({*rows["source_image"], *rows["target_image"]}), 2):
        sides = rows[["source_image", "target_image"]].isin(half).to_numpy()[samples.row]
        expected.append(_held(samples, sides.all(axis=1), ~sides.any(axis=1), 0.3))
    assert not np.isnan(expected).all()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        (value,) = precision_on_other_half(rows, rule, 0.10, rng, 0.3)
        assert any(value == pytest.approx(each, nan_ok=True) for each in expected)
    rng = np.random.default_rng(0)
    assert np.isnan(precision_on_other_half(rows, rule, 0.10, rng, 1.1)).all()


def _held(samples, first, other, precision):
    for threshold in np.unique(samples.score[first]):  # the lowest first
        if samples.label[first & (samples.score >= threshold)].mean() >= precision:
            chosen = samples.label[other & (samples.score >= threshold)]
            return chosen.mean() if len(chosen) else np.nan
    return np.nan


SPAIR = [
    # all, with twin, by keypoint
    ("geoaware.supervised.lite0", 64.8, 59.9, 66.3),
    ("sphere.lite0", 67.8, 62.1, 66.9),
    ("lite0", 65.3, 60.6, 64.8),
    ("constant", 50.0, 50.0, 50.0),
]


@pytest.mark.parametrize(("model", "every", "with_twin", "by_keypoint"), SPAIR)
def test_auroc_of_the_accepted_entries(model, every, with_twin, by_keypoint):
    rows = committed_records("spair", model)
    for made, expected in (
        (absence_auroc(rows, RULE), every),
        (absence_auroc(rows, RULE, with_twin=True), with_twin),
        (absence_auroc(rows, RULE, within="keypoint"), by_keypoint),
    ):
        value = 100 * made.by_category().over_categories("mean")
        assert value == pytest.approx(expected, abs=0.05)


def test_on_synthetic_the_sphere_detects_absent_keypoints_with_a_visible_counterpart():
    lite0, sphere = (committed_records("synthetic", m) for m in ("lite0", "sphere.lite0"))
    resampling = Resampling.of(lite0)
    first, second = (
        replicates(absence_auroc(r, RULE, with_twin=True), resampling) for r in (sphere, lite0)
    )
    gap = interval(first - second, np.full(4, 1 / 4), "plain")
    assert (100 * gap.value, 100 * gap.half_width) == pytest.approx((11.3, 2.4), abs=0.05)


def test_localisation_is_scikit_learns():
    rows = records(drawn(5, 6), [RULE])
    samples = kap_samples(rows, RULE, 0.10)
    visible = rows["target_visible"].to_numpy()[samples.row]
    values = localisation(rows, RULE, 0.10).by_category().values
    for c, name in enumerate(rows["category"].cat.categories):
        mine = visible & (rows["category"] == name).to_numpy()[samples.row]
        expected = average_precision_score(samples.label[mine], samples.score[mine])
        assert values[c] == pytest.approx(expected, abs=1e-9)
