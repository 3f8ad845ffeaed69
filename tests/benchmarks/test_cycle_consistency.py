"""k-CyPCK computed by hand, and laws that hold for every ring."""

import numpy as np
import pytest
from cycle_consistency import around, k_cypck
from hypothesis import given
from hypothesis import strategies as st


def by_table(table):
    return lambda cells: np.asarray(table)[cells]


def test_by_hand():
    # Four cells in a row, 10 px apart: forth 0→1, 1→2, 2→2, 3→0; back 0→3, 1→0, 2→2, 3→1.
    start = np.arange(4)
    end = around(start, [by_table([1, 2, 2, 0]), by_table([3, 0, 2, 1])])
    assert end.tolist() == [0, 2, 2, 3]
    centres = np.array([[5.0, 5], [15, 5], [25, 5], [35, 5]])
    size = np.full(4, 100.0)
    assert k_cypck(centres[start], centres[end], size, 0.05) == 3 / 4
    assert k_cypck(centres[start], centres[end], size, 0.10) == 3 / 4  # 10 px are not within 10
    assert k_cypck(centres[start], centres[end], size, 0.11) == 1.0
    # T of each point's first image counts.
    assert k_cypck(centres[start], centres[end], np.array([100.0, 300, 100, 100]), 0.05) == 1.0


def test_without_points_the_score_is_nan():
    assert np.isnan(k_cypck(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), 0.1))


@given(st.integers(0, 999), st.integers(2, 4))
def test_a_ring_of_permutations_that_cancel_is_consistent(seed, k):
    rng = np.random.default_rng(seed)
    ways = [rng.permutation(9) for _ in range(k - 1)]
    whole = np.arange(9)
    for way in ways:
        whole = way[whole]
    ring = [*map(by_table, ways), by_table(np.argsort(whole))]
    assert around(np.arange(9), ring).tolist() == list(range(9))


@given(st.integers(0, 999))
def test_a_ring_through_one_cell_ends_in_one_cell(seed):
    rng = np.random.default_rng(seed)
    ring = [by_table(rng.permutation(9)), by_table(np.full(9, 4)), by_table(rng.permutation(9))]
    assert len(set(around(np.arange(9), ring).tolist())) == 1


@given(st.integers(0, 999), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_wider_circle_contains_no_fewer_points_and_their_order_has_no_effect(seed, one, two):
    rng = np.random.default_rng(seed)
    start, end, size = rng.random((6, 2)), rng.random((6, 2)), rng.random(6)
    low, high = sorted((one, two))
    assert k_cypck(start, end, size, low) <= k_cypck(start, end, size, high)
    order = rng.permutation(6)
    again = k_cypck(start[order], end[order], size[order], low)
    assert again == pytest.approx(k_cypck(start, end, size, low))
