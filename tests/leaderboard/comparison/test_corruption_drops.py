"""Relative drops: their values, their intervals, and which runs belong together."""

from dataclasses import replace

import numpy as np
import pytest
from dots import Colours, Dots

import kapbench
from kapbench.errors import KapbenchError
from kapbench.scoring.bootstrap import Replicates
from kapbench_leaderboard.commands.corruption_drops import drops_text
from kapbench_leaderboard.comparison.corruption_drops import relative_drop, without_corruption
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.tables.corruption_text import corruption_text

CORRUPTIONS = (None, "gaussian_noise:5", "contrast:5")


@pytest.fixture(scope="module")
def results():
    options = {"rule": ["kap-v1", "pck-v1"], "categories": ["dot"], "intervals": False}
    data = Dots(n_images=5)
    return [
        kapbench.evaluate(Colours(), data, corrupt=corruption, **options)
        for corruption in CORRUPTIONS
    ]


def test_drops_are_relative_to_the_clean_run(results):
    frame = kapbench.corruption_drops(*results).set_index(["metric", "corruption", "severity"])
    for metric, rule in (("kap", "kap-v1"), ("pck", "pck-v1")):
        scores = [result.headline(rule) for result in results]
        drops = [1 - score / scores[0] for score in scores]
        assert len(frame.loc[metric]) == 3
        for place, expected in {
            ("gaussian_noise", 5): drops[1],
            ("contrast", 5): drops[2],
            ("mean", 5): (drops[1] + drops[2]) / 2,
        }.items():
            row = frame.loc[(metric, *place)]
            assert row["drop"] == pytest.approx(expected)
            assert row["low"] <= row["drop"] <= row["high"]
    worst = frame.loc[("pck", "gaussian_noise", 5)]
    assert worst["low"] > 0
    assert worst["p"] < 0.05


def test_the_table_fits_a_terminal(results):
    lines = drops_text(results, rules=None, alpha=0.10).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].split()[:2] == ["mean", "5"]
    assert any(line.split()[:2] == ["colours", "clean"] for line in lines)


def test_a_table_without_intervals_says_why(results):
    lines = drops_text(results, rules=None, alpha=0.10)
    assert "95 % interval" in lines
    assert "No intervals" not in lines
    options = {"rule": "pck-v1", "categories": ["dot"], "intervals": False}
    few = [
        kapbench.evaluate(Colours(), Dots(n_images=3), corrupt=corruption, **options)
        for corruption in CORRUPTIONS[:2]
    ]
    lines = drops_text(few, rules=None, alpha=0.10)
    assert "95 % interval" not in lines
    assert "No intervals: a category has fewer than 4 images." in lines
    assert "may be chance" in lines


def test_a_negative_drop_has_the_minus_of_other_tables(results):
    frame = kapbench.corruption_drops(*results)
    assert " −5.0 [−7.0, −3.0]" in corruption_text(frame.assign(drop=-0.05, low=-0.07, high=-0.03))


def test_a_corrupted_run_needs_its_clean_one(results):
    with pytest.raises(KapbenchError, match="have no clean run on the same pairs"):
        kapbench.corruption_drops(*results[1:])
    with pytest.raises(KapbenchError, match="No run is on corrupted images"):
        kapbench.corruption_drops(results[0])
    clean = without_corruption(results[2].card).dataset
    assert (clean.revision, clean.alterations) == (results[0].card.dataset.revision, ())


def test_the_error_is_that_of_the_ratio():
    """Of a corrupted run that keeps three quarters at every resample, the drop is certain."""
    rng = np.random.default_rng(0)
    products, sums = rng.uniform(0.4, 0.6, (2, 50, 2)).astype(np.float32)
    clean = Replicates(np.array([0.4, 0.6]), products, sums, np.array([9, 9]))
    kept = Replicates(
        0.75 * clean.value, np.float32(0.75) * products, np.float32(0.75) * sums, clean.n_images
    )
    weights = {"pck": np.array([0.5, 0.5])}
    one, other = (Resamples("key", ("cat", "dog"), {"pck": r}, weights) for r in (clean, kept))
    certain = relative_drop(one, [other], "pck")
    assert certain.value == pytest.approx(0.25)
    assert certain.error < 1e-6
    noisy = replace(kept, products=kept.products[::-1].copy(), sums=kept.sums[::-1].copy())
    uncertain = relative_drop(one, [replace(other, columns={"pck": noisy})], "pck")
    assert uncertain.value == pytest.approx(0.25)
    assert uncertain.error > 0.01
    with pytest.raises(KapbenchError, match="differ in their pairs or rules"):
        relative_drop(one, [replace(other, key="other")], "pck")
