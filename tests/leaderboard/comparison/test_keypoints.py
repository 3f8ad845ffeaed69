"""On how many keypoints a difference holds, and its p-value where keypoints are resampled too."""

import math

import numpy as np
import pytest

from kapbench.scoring.intervals import Interval
from kapbench.scoring.keypoint_effects import KeypointEffects
from kapbench_leaderboard.comparison.keypoints import over_keypoints

GAP = Interval(0.10, 0.03, 20.0)
CATEGORY = np.array([0, 0, 0, 1, 1])
BOTH = np.array([0.5, 0.5])


def effects(score, effect) -> KeypointEffects:
    return KeypointEffects(CATEGORY, np.array([0, 1, 2, 0, 1]), np.array(score), np.array(effect))


def test_keypoints_whose_difference_has_the_sign_of_the_averages_are_counted():
    difference = effects([0.2, -0.1, 0.0, np.nan, 0.3], np.zeros(5))
    both = over_keypoints(GAP, difference, BOTH)
    assert (both.n_holding, both.n) == (2, 4)
    first = over_keypoints(GAP, difference, np.array([1.0, 0.0]))
    assert (first.n_holding, first.n) == (1, 3)
    worse = over_keypoints(Interval(-0.10, 0.03, 20.0), difference, BOTH)
    assert (worse.n_holding, worse.n) == (1, 4)


def test_without_effects_of_keypoints_p_is_that_over_images():
    both = over_keypoints(GAP, effects(np.full(5, 0.1), np.zeros(5)), BOTH)
    assert both.p == pytest.approx(GAP.p)


def test_variances_over_images_and_keypoints_add_up():
    """Category 0: 3 keypoints, Σ effect² = 0.02, variance 0.03. Category 1: 2, 0.02 · 2 = 0.04."""
    difference = effects(np.full(5, 0.1), [0.1, -0.1, 0.0, 0.1, -0.1])
    variance = (0.03 + 0.04) / 4
    error = math.sqrt(GAP.error**2 + variance)
    freedom_of_keypoints = variance**2 / (0.0075**2 / 2 + 0.01**2 / 1)
    freedom = error**4 / (GAP.error**4 / 20 + variance**2 / freedom_of_keypoints)
    p = over_keypoints(GAP, difference, BOTH).p
    assert p == pytest.approx(Interval(0.10, error, freedom).p)
    assert p > GAP.p


def test_one_keypoint_alone_cannot_be_resampled():
    one = KeypointEffects(np.zeros(1, int), np.zeros(1, int), np.ones(1), np.zeros(1))
    assert math.isnan(over_keypoints(GAP, one, np.ones(1)).p)
