"""Effects of keypoints on a score: derivatives by their definition, and variances over keypoints."""

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import drawn, estimate, records

from kapbench.scoring.keypoint_effects import KeypointEffects, keypoint_effects
from kapbench.scoring.rules import KapRule, Rule, load_rule

seeds = st.integers(0, 2**32 - 1)
quick = examples(4)
COPIES = 60
RULES = [load_rule(n) for n in ("kap-cvpr24", "kap-neurips25", "pck-sd-dino", "pck-geoaware")]


def effects(rows: pd.DataFrame, rule: Rule) -> KeypointEffects:
    decode = None if isinstance(rule, KapRule) else rule.decode_for(False)
    return keypoint_effects(rows, rule, 0.10, rule.headline[0], decode)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@quick
@given(seeds)
def test_an_effect_is_the_change_when_a_keypoint_counts_a_little_more(rule, seed):
    """All rows are there `COPIES` times, and the rows of one keypoint once more, or once less."""
    rows = records(drawn(seed, 3), RULES)
    result, average = effects(rows, rule), rule.headline[0]
    for number, (category, keypoint) in enumerate(
        zip(result.category, result.keypoint, strict=True)
    ):
        name = rows["category"].cat.categories[category]
        chosen = (rows["category"] == name) & (rows["keypoint"] == keypoint)
        more = [rows] * COPIES + [rows[chosen]]
        less = [rows] * (COPIES - 1) + [rows[~chosen]]
        after, before = (
            estimate(pd.concat(each, ignore_index=True), rule, 0.10, average).values[category]
            for each in (more, less)
        )
        change = COPIES * (after - before) / 2
        assert result.effect[number] == pytest.approx(change, abs=1e-3)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@quick
@given(seeds)
def test_a_keypoints_score_is_that_of_its_rows_alone(rule, seed):
    rows = records(drawn(seed, 8), RULES)
    result = effects(rows, rule)
    pooled = "category" if isinstance(rule, KapRule) else "point"
    for number, (category, keypoint) in enumerate(
        zip(result.category, result.keypoint, strict=True)
    ):
        name = rows["category"].cat.categories[category]
        alone = ((rows["category"] == name) & (rows["keypoint"] == keypoint)).to_numpy()
        score = estimate(rows[alone].reset_index(drop=True), rule, 0.10, pooled).values
        assert result.score[number] == pytest.approx(score[category], nan_ok=True)


@quick
@given(seeds)
def test_effects_of_a_category_add_up_to_nothing(seed):
    rows = records(drawn(seed, 8), RULES)
    for rule in RULES:
        result = effects(rows, rule)
        total = np.bincount(result.category, result.effect)
        np.testing.assert_allclose(total, 0, atol=1e-12)
        assert not (result - result).effect.any()


def test_the_variance_is_that_of_resampled_keypoints():
    """Of a share whose keypoints have equally many rows: the variance of a mean of independent ones."""
    shares = np.array([0.0, 0.5, 1.0, 0.25])
    made = KeypointEffects(
        np.zeros(4, int), np.arange(4), shares, (shares - shares.mean()) / len(shares)
    )
    assert made.variances(1)[0] == pytest.approx(shares.var(ddof=1) / 4)
    alone = KeypointEffects(np.zeros(1, int), np.arange(1), shares[:1], np.zeros(1))
    assert np.isnan(alone.variances(2)).tolist() == [True, True]


def test_without_any_row_there_are_no_effects():
    rows = records(drawn(0, 3), RULES)
    result = effects(rows.iloc[:0], RULES[0])
    assert result.effect.dtype == np.float64
    assert len(result.effect) == len(result.score) == 0
