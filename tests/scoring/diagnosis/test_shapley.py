"""Gains and Shapley shares against their definitions, written out over orders of fixing."""

from itertools import permutations

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from kapbench.scoring.diagnosis.shapley import RowSamples, losses

seeds = st.integers(0, 2**32 - 1)
quick = examples(25)
BELOW_ALL = -1e6


def drawn(seed: int, n: int, n_types: int, n_scores: int = 4) -> RowSamples:
    """The last type is of absent keypoints; a tenth of the visible have no positive."""
    rng = np.random.default_rng(seed)
    of_row = rng.integers(0, n_types, n)
    of_row[:1] = 0
    visible = of_row < max(n_types - 1, 1)
    positive = np.where(visible & (rng.random(n) < 0.9), rng.integers(0, n_scores, n), np.nan)
    positive[:1] = rng.integers(0, n_scores)
    negative = rng.integers(0, n_scores, n).astype(float)
    fixed = np.where(visible, np.maximum(positive, negative), np.nan)
    return RowSamples(positive, fixed, negative, of_row)


def slow_score(samples: RowSamples, fixes: frozenset[int], weights: np.ndarray) -> float:
    """Sample by sample, and scikit-learn's average precision."""
    label, score, weight = [], [], []
    for row, of_row in enumerate(samples.type):
        is_fixed = int(of_row) in fixes
        positive = samples.fixed[row] if is_fixed else samples.positive[row]
        if not np.isnan(positive):
            label, score, weight = [*label, 1], [*score, positive], [*weight, weights[row]]
        negative = BELOW_ALL if is_fixed else samples.negative[row]
        label, score, weight = [*label, 0], [*score, negative], [*weight, weights[row]]
    return float(average_precision_score(label, score, sample_weight=weight))


def slow_losses(
    samples: RowSamples, n_types: int, weights: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    every = range(n_types)
    none = slow_score(samples, frozenset(), weights)
    gain = [slow_score(samples, frozenset([t]), weights) - none for t in every]
    share, orders = np.zeros(n_types), list(permutations(every))
    for order in orders:
        for place, t in enumerate(order):
            before, after = frozenset(order[:place]), frozenset(order[: place + 1])
            added = slow_score(samples, after, weights) - slow_score(samples, before, weights)
            share[t] += added / len(orders)
    return none, np.array(gain), share


@quick
@given(seeds, st.integers(1, 12), st.integers(1, 4))
def test_losses_are_those_of_all_orders_of_fixing(seed, n, n_types):
    samples = drawn(seed, n, n_types)
    weights = np.random.default_rng(seed).integers(1, 4, n).astype(float)
    score, gain, share = slow_losses(samples, n_types, weights)
    result = losses(samples, n_types, weights)
    assert result.score == pytest.approx(score, abs=1e-12)
    np.testing.assert_allclose(result.gain, gain, atol=1e-12)
    np.testing.assert_allclose(result.share, share, atol=1e-12)


@quick
@given(seeds, st.integers(1, 40), st.integers(1, 8), st.sampled_from([2, 5, 1000]))
def test_shares_add_up_to_what_the_score_lacks(seed, n, n_types, n_scores):
    result = losses(drawn(seed, n, n_types, n_scores), n_types)
    assert result.share.sum() == pytest.approx(1 - result.score, abs=1e-12)


@quick
@given(seeds, st.integers(1, 20))
def test_an_integer_weight_is_a_repeated_row(seed, n):
    samples = drawn(seed, n, 4)
    weights = np.random.default_rng(seed).integers(0, 3, n)
    weights[0] = 1
    weighted = losses(samples, 4, weights.astype(float))
    repeated = losses(samples[np.repeat(np.arange(n), weights)], 4)
    np.testing.assert_allclose(weighted.gain, repeated.gain, atol=1e-12)
    np.testing.assert_allclose(weighted.share, repeated.share, atol=1e-12)


@quick
@given(seeds, st.integers(1, 20))
def test_order_of_rows_and_names_of_types_are_irrelevant(seed, n):
    rng = np.random.default_rng(seed)
    samples, order, renamed = drawn(seed, n, 4), rng.permutation(n), rng.permutation(6)
    first = losses(samples, 6)
    moved = samples[order]
    other = losses(RowSamples(moved.positive, moved.fixed, moved.negative, renamed[moved.type]), 6)
    np.testing.assert_allclose(other.share[renamed], first.share, atol=1e-12)
    np.testing.assert_allclose(other.gain[renamed], first.gain, atol=1e-12)
    of_rows = other.influence.reshape(n, 2, 6)[:, :, renamed]
    np.testing.assert_allclose(of_rows, first.influence.reshape(n, 2, 6)[order], atol=1e-12)


@quick
@given(seeds, st.integers(2, 20))
def test_influence_is_the_derivative_with_respect_to_a_rows_weight(seed, n):
    samples, weights = drawn(seed, n, 4), np.ones(n)
    row, step = seed % n, 1e-5
    either = [losses(samples, 4, weights + sign * step * np.eye(n)[row]) for sign in (1, -1)]
    up, down = (np.concatenate([each.gain, each.share]) for each in either)
    derivative = losses(samples, 4).influence[row]
    np.testing.assert_allclose(derivative, (up - down) / (2 * step), atol=1e-7)


def test_a_group_without_a_positive_has_no_losses():
    nan = np.array([np.nan])
    result = losses(RowSamples(nan, nan, np.array([1.0]), np.array([0])), 2)
    assert np.isnan([result.score, *result.gain, *result.share]).all()


def test_two_rows_by_hand():
    """A right match below an absent keypoint: without it the score is 1, and 1/2 with it."""
    samples = RowSamples(
        np.array([1.0, np.nan]), np.array([1.0, np.nan]), np.array([0.0, 2.0]), np.array([0, 1])
    )
    result = losses(samples, 2)
    assert (result.score, result.gain.tolist(), result.share.tolist()) == (0.5, [0, 0.5], [0, 0.5])


def test_a_gain_is_negative_where_a_fixed_row_joins_absent_keypoints_that_score_higher():
    """Ten matches at 1, one of them with a second peak at 2, and five absent keypoints at 2.

    Fixed, the one ties with the absent keypoints: precision 1/6, and 10/15 for the nine others.
    """
    nothing = np.full(5, np.nan)
    positive = np.concatenate([np.ones(10), nothing])
    fixed = np.concatenate([[2.0], np.ones(9), nothing])
    negative = np.concatenate([[2.0], np.zeros(9), np.full(5, 2.0)])
    result = losses(RowSamples(positive, fixed, negative, np.repeat([0, 1, 2], [1, 9, 5])), 3)
    assert result.score == pytest.approx(10 / 16)
    assert result.gain[0] == pytest.approx((1 / 6 + 9 * 10 / 15) / 10 - 10 / 16)
    assert result.gain[0] < 0
