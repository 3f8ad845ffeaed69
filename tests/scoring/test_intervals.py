"""Ends of intervals on each scale: inside the range, reversed with the value, exact where known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.special import expit, logit

from kapbench.scoring.estimators import PooledPrecision
from kapbench.scoring.intervals import Interval, degrees_of_freedom

inside = st.floats(1e-6, 1 - 1e-6)
errors = st.floats(0, 10)
freedoms = st.floats(1.5, 200)


@given(inside, errors, freedoms)
def test_the_logit_scale_is_the_delta_methods_and_stays_between_0_and_1(value, error, freedom):
    estimate = Interval(value, error, freedom, "logit", 25)
    assert 0 <= estimate.low <= value * (1 + 1e-12)
    assert value * (1 - 1e-12) <= estimate.high <= 1
    step = scipy_stats.t.ppf(0.975, freedom) * error / (value * (1 - value))
    assert estimate.low == pytest.approx(expit(logit(value) - step), abs=1e-9)
    assert estimate.high == pytest.approx(expit(logit(value) + step), abs=1e-9)


@given(inside, errors, freedoms)
def test_the_share_of_failures_has_the_mirrored_interval(value, error, freedom):
    hits, failures = (Interval(v, error, freedom, "logit", 25) for v in (value, 1 - value))
    assert hits.low == pytest.approx(1 - failures.high, abs=1e-9)
    assert hits.high == pytest.approx(1 - failures.low, abs=1e-9)


@given(inside, errors, freedoms)
def test_a_balanced_precision_has_the_logit_interval_of_its_own_range(share, error, freedom):
    lowest = 1 - math.log(2)
    plain = Interval(share, error, freedom, "logit", 25)
    whole = 1 - lowest
    estimate = Interval(lowest + whole * share, whole * error, freedom, "balanced-logit", 25)
    assert estimate.low == pytest.approx(lowest + whole * plain.low, abs=1e-6)
    assert estimate.high == pytest.approx(lowest + whole * plain.high, abs=1e-6)


def test_no_balanced_precision_is_below_the_lowest():
    n = 2000
    label = np.repeat([False, True], n)  # every negative is above every positive
    pooled = PooledPrecision(
        label,
        -np.arange(2.0 * n),
        np.zeros(2 * n, int),
        np.zeros(2 * n, int),
        np.ones(1, int),
        True,
    )
    lowest = pooled.by_category().values[0]
    assert 0 < lowest - (1 - math.log(2)) < 1 / n


@given(st.floats(-20, 0.999), st.floats(0, 10), freedoms)
def test_the_log_complement_is_below_1_and_as_low_as_need_be(skill, error, freedom):
    estimate = Interval(skill, error, freedom, "log-complement", 25)
    assert estimate.low <= skill + 1e-9
    assert skill - 1e-9 <= estimate.high <= 1
    step = scipy_stats.t.ppf(0.975, freedom) * error / (1 - skill)
    if step < 100:
        assert math.log(1 - estimate.low) == pytest.approx(math.log(1 - skill) + step, abs=1e-9)
    if step < 10:
        assert math.log(1 - estimate.high) == pytest.approx(math.log(1 - skill) - step, abs=1e-6)


@pytest.mark.parametrize("scale", ["logit", "log-complement"])
def test_far_from_the_ends_a_small_error_gives_the_plain_interval(scale):
    plain, curved = (Interval(0.4, 1e-4, 30, s, 25) for s in ("plain", scale))
    assert curved.low == pytest.approx(plain.low, abs=1e-7)
    assert curved.high == pytest.approx(plain.high, abs=1e-7)


@pytest.mark.parametrize("n", [4, 25, 1000])
def test_a_score_of_exactly_0_or_1_has_wilsons_other_end(n):
    from scipy.stats import binomtest

    all_right = Interval(1.0, 0.0, math.inf, "logit", n)
    wilson = binomtest(n, n).proportion_ci(method="wilson")
    assert (all_right.low, all_right.high) == (pytest.approx(wilson.low), 1.0)
    all_wrong = Interval(0.0, 0.0, math.inf, "logit", n)
    assert (all_wrong.low, all_wrong.high) == (0.0, pytest.approx(1 - wilson.low))


def test_a_skill_of_1_has_no_interval():
    estimate = Interval(1.0, 0.0, math.inf, "log-complement", 25)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


@pytest.mark.parametrize("scale", ["plain", "logit", "log-complement"])
@pytest.mark.parametrize(("value", "error"), [(np.nan, 0.1), (0.5, np.nan), (1.0, np.nan)])
def test_without_a_value_or_an_error_there_is_no_interval(scale, value, error):
    estimate = Interval(value, error, 12.0, scale, 25)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


@given(inside, errors, freedoms)
def test_a_test_of_a_difference_does_not_depend_on_the_scale(value, error, freedom):
    assert (
        Interval(value, error, freedom, "logit", 25).p == Interval(value, error, freedom, "plain").p
    )


def test_few_failures_leave_few_degrees_of_freedom():
    value = np.array([0.5, 0.9, 0.1, 0.97, 1.0, np.nan])
    error = np.array([0.05, 0.02, 0.02, 0.02, 0.0, np.nan])
    n_images = np.full(6, 25)
    # Images: (25 − 1) / 2. Failures: (0.1 / 0.02)² = 25, a tenth of them, and never below 2.5.
    freedom = degrees_of_freedom(value, error, n_images, "logit")
    np.testing.assert_allclose(freedom, [10, 2.5, 2.5, 2.5, 2.5, 2.5])
    np.testing.assert_allclose(degrees_of_freedom(value, error, n_images, "plain"), 12)
    # The lower end of a skill is no end.
    skill = degrees_of_freedom(value, error, n_images, "log-complement")
    np.testing.assert_allclose(skill, [10, 2.5, 12, 2.5, 2.5, 2.5])
    assert degrees_of_freedom(value, error, np.full(6, 4), "logit").max() == 1.5
