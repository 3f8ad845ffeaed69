"""The bootstrap over images: what its weights are, and whether its intervals hold the truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_cases import drawn, records

from kapbench.errors import KapbenchError
from kapbench.scoring.rules import load_rule
from kapbench.scoring.stats import image_weights, interval, paired_difference
from kapbench.scoring.table import estimate

PCK = load_rule("pck-v1")


def pck(rows, weights):
    return estimate(rows, PCK, 0.10, "point", weights=weights).over_categories("mean")


def many(seed):
    """Enough images that every resample has a score."""
    return drawn(seed, 60, categories=["cat"], n_images=12)


def numbers(pairs: list[tuple[str, str]], categories: list[str]) -> pd.DataFrame:
    """Rows with images only: one per pair."""
    source, target = zip(*pairs, strict=True)
    return pd.DataFrame({
        "pair_id": pd.Categorical([f"{i}" for i in range(len(pairs))]),
        "keypoint": 0,
        "category": pd.Categorical(categories),
        "source_image": pd.Categorical(source),
        "target_image": pd.Categorical(target),
    })  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_a_rows_weight_is_the_product_of_its_images_draws(seed, n):
    # One pair of each image with itself tells its draws squared.
    names = [f"i{k}" for k in range(n)]
    everything = [(a, b) for a in names for b in names]
    weights = image_weights(numbers(everything, ["c"] * n**2), 7, np.random.default_rng(seed))
    drawn_times = np.sqrt(weights.reshape(7, n, n)[:, range(n), range(n)])
    assert (drawn_times == np.round(drawn_times)).all()
    np.testing.assert_array_equal(drawn_times.sum(axis=1), n)
    np.testing.assert_array_equal(
        weights.reshape(7, n, n), drawn_times[:, :, None] * drawn_times[:, None, :]
    )


def test_images_are_resampled_within_their_category():
    rows = numbers([("a", "b"), ("c", "d")], ["x", "y"])
    weights = image_weights(rows, 500, np.random.default_rng(0))
    # Two images drawn twice: product 1 (one each) or 0.
    assert set(np.unique(weights)) == {0.0, 1.0}
    assert weights.mean() == pytest.approx(0.5, abs=0.06)
    assert np.corrcoef(weights.T)[0, 1] == pytest.approx(0, abs=0.15)


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    """Images have effects, pairs share images: a bootstrap over pairs would be too narrow."""
    held = 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        names = [f"i{k}" for k in range(24)]
        effect = dict(zip(names, rng.normal(0, 1, 24), strict=True))
        pairs = [(a, b) for a in names for b in names if a < b]
        rows = numbers(pairs, ["c"] * len(pairs))
        value = np.array([effect[a] + effect[b] for a, b in pairs])

        def mean(_, weights, value=value):
            return (weights * value).sum(axis=1) / weights.sum(axis=1)

        found = interval(rows, mean, n_resamples=200, seed=trial)
        assert found.low < found.value < found.high
        held += found.low <= 0.0 <= found.high
    assert 51 <= held <= 60  # 0.95 · 60 = 57 ± 1.7


def test_the_same_seed_gives_the_same_interval_and_another_another():
    rows = records(many(3), [PCK])
    first, again, other = (interval(rows, pck, 120, seed=s) for s in (5, 5, 6))
    assert first == again
    assert first.value == other.value
    assert (first.low, first.high) != (other.low, other.high)


def test_the_number_of_resamples_at_a_time_is_irrelevant(monkeypatch):
    rows = records(many(3), [PCK])
    whole = interval(rows, pck, 60, seed=1)
    monkeypatch.setattr("kapbench.scoring.stats.CHUNK", 7)
    cut = interval(rows, pck, 60, seed=1)
    assert (cut.value, cut.low, cut.high) == (whole.value, whole.low, whole.high)


def test_a_table_does_not_differ_from_itself():
    rows = records(many(1), [PCK])
    found = paired_difference(rows, rows.sample(frac=1, random_state=0), pck, 100)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_a_difference_is_that_of_the_values_and_changes_sign_with_its_sides():
    cases = many(1)
    first = records(cases, [PCK])
    second = records([(p, m[:, ::-1].copy()) for p, m in cases], [PCK])
    forth, back = (
        paired_difference(first, second, pck, 100),
        paired_difference(second, first, pck, 100),
    )
    ones = np.ones((1, len(first)))
    assert forth.value == pytest.approx(float(pck(first, ones)[0] - pck(second, ones)[0]))
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))


@pytest.mark.parametrize("change", ["fewer", "other keypoint", "other pair"])
def test_tables_about_different_pairs_are_refused(change):
    cases = drawn(1, 8)
    rows = records(cases, [PCK])
    other = records(cases[:-1] if change == "fewer" else cases, [PCK])
    if change == "other keypoint":
        other["keypoint"] = other["keypoint"] + 1
    if change == "other pair":
        other["pair_id"] = other["pair_id"].cat.rename_categories(lambda name: name + "x")
    with pytest.raises(KapbenchError, match="same pairs and keypoints"):
        paired_difference(rows, other, pck, 10)


def test_a_score_that_is_nowhere_defined_has_no_bounds():
    rows = records(drawn(1, 8), [PCK])
    found = interval(rows, lambda _, w: np.full(len(w), np.nan), 10)
    assert np.isnan([found.value, found.low, found.high]).all()
