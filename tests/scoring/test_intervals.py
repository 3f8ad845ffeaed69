"""Ends of intervals on each scale: inside the range, reversed with the value, exact where known."""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.special import expit, logit

from kapbench.scoring.estimators import PooledPrecision
from kapbench.scoring.intervals import Interval, degrees_of_freedom

inside = st.floats(1e-6, 1 - 1e-6)
errors = st.floats(0, 10)
freedoms = st.floats(1.5, 200)
quick = examples(50)


@quick
@given(inside, errors, freedoms)
def test_the_logit_scale_is_the_delta_methods_and_stays_between_0_and_1(value, error, freedom):
    estimate = Interval(value, error, freedom, "logit", 25)
    assert 0 <= estimate.low <= value * (1 + 1e-12)
    assert value * (1 - 1e-12) <= estimate.high <= 1
    step = scipy_stats.t.ppf(0.975, freedom) * error / (value * (1 - value))
    assert estimate.low == pytest.approx(expit(logit(value) - step), abs=1e-9)
    assert estimate.high == pytest.approx(expit(logit(value) + step), abs=1e-9)


@quick
@given(inside, errors, freedoms)
def test_the_share_of_failures_has_the_mirrored_interval(value, error, freedom):
    hits, failures = (Interval(v, error, freedom, "logit", 25) for v in (value, 1 - value))
    assert hits.low == pytest.approx(1 - failures.high, abs=1e-9)
    assert hits.high == pytest.approx(1 - failures.low, abs=1e-9)


@quick
@given(inside, errors, freedoms, st.floats(-0.9, 0.9))
def test_a_range_from_a_lowest_value_has_the_interval_of_its_share(share, error, freedom, lowest):
    whole = 1 - lowest
    of_share = Interval(share, error, freedom, "logit", 25)
    estimate = Interval(lowest + whole * share, whole * error, freedom, "logit", 25, lowest)
    assume(estimate.half_width < whole * share)  # else it is plain
    assert estimate.low == pytest.approx(lowest + whole * of_share.low, abs=1e-5)
    assert estimate.high == pytest.approx(lowest + whole * of_share.high, abs=1e-5)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("n_negative", [500, 2000, 6000])
def test_the_lowest_precision_is_that_of_every_negative_above_every_positive(balanced, n_negative):
    n = 2000
    label = np.arange(n + n_negative) >= n_negative
    none = np.zeros(len(label), int)
    pooled = PooledPrecision(label, -np.arange(len(label)), none, none, np.ones(1, int), balanced)
    (lowest,) = pooled.lowest
    assert 0 < pooled.by_category().values[0] - lowest < 2 / n
    assert lowest == pytest.approx(1 - np.log(2)) or not (balanced or n == n_negative)


def test_far_from_the_ends_a_small_error_gives_the_plain_interval():
    plain, curved = (Interval(0.4, 1e-4, 30, s, 25) for s in ("plain", "logit"))
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


@pytest.mark.parametrize("scale", ["plain", "logit"])
@pytest.mark.parametrize(("value", "error"), [(np.nan, 0.1), (0.5, np.nan), (1.0, np.nan)])
def test_without_a_value_or_an_error_there_is_no_interval(scale, value, error):
    estimate = Interval(value, error, 12.0, scale, 25)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


@quick
@given(inside, errors, freedoms)
def test_a_test_of_a_difference_does_not_depend_on_the_scale(value, error, freedom):
    assert (
        Interval(value, error, freedom, "logit", 25).p == Interval(value, error, freedom, "plain").p
    )


def test_few_failures_leave_few_degrees_of_freedom():
    value = np.array([0.5, 0.9, 0.1, 0.97, 1.0, np.nan])
    error = np.array([0.05, 0.02, 0.02, 0.02, 0.0, np.nan])
    n_images = np.full(6, 25)
    # Images: (25 − 1) / 3. Failures: (0.1 / 0.02)² = 25, a tenth of them, and never below 2.5.
    freedom = degrees_of_freedom(value, error, n_images, "logit")
    np.testing.assert_allclose(freedom, [8, 2.5, 2.5, 2.5, 2.5, 2.5])
    np.testing.assert_allclose(degrees_of_freedom(value, error, n_images, "plain"), 12)
    # Of a score that is at least 0.06, the third is as near to its end as at 0.04.
    raised = degrees_of_freedom(np.array([0.16]), np.array([0.02]), np.array([25]), "logit", 0.06)
    assert raised == [2.5]
    assert degrees_of_freedom(value, error, np.full(6, 4), "logit").max() == 1.0


@pytest.mark.parametrize("value", [0.2384, 0.2386, 0.24])
def test_a_score_at_the_lowest_one_has_the_plain_interval(value):
    """As KAP of random maps has: the logit of 0.0001 above the lowest would reach up to 1."""
    estimate = Interval(value, 0.004, 8, "logit", 25, lowest=0.2385)
    assert estimate.high == pytest.approx(value + estimate.half_width)
    assert estimate.low == min(value, 0.2385)
