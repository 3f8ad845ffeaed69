"""The core's numbers against independent versions of the same definitions."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from kapbench.scoring import average_precision as ranking
from kapbench.scoring.average_precision import average_precision, roc_auc
from kapbench.scoring.estimators import PooledPrecision
from kapbench.scoring.grid_geometry import circle_maxima
from kapbench.scoring.rules import Geometry

seeds = st.integers(0, 2**32 - 1)


def _samples(seed, n, n_scores):
    rng = np.random.default_rng(seed)
    return rng, rng.random(n) < 0.5, rng.integers(0, n_scores, n).astype(np.float32)


@examples(60)
@given(seeds, st.integers(1, 60), st.sampled_from([1, 2, 5, 1000]))
def test_average_precision_is_scikit_learns(seed, n, n_scores):
    _, label, score = _samples(seed, n, n_scores)
    found = average_precision(label, score)
    if label.any() and not label.all():
        assert found[0] == pytest.approx(average_precision_score(label, score), abs=1e-12)
    else:
        assert np.isnan(found[0])


@examples(60)
@given(seeds, st.integers(1, 60), st.sampled_from([2, 5]), st.booleans())
def test_weighted_average_precision_is_scikit_learns(seed, n, n_scores, balanced):
    """Rows repeated as often as they weigh; the balance of labels is that of the repeated rows."""
    rng, label, score = _samples(seed, n, n_scores)
    category, pair = rng.integers(0, 2, n), rng.integers(0, 5, n)
    weights = rng.integers(0, 4, (5, 3))
    pooled = PooledPrecision(label, score, pair, category, np.zeros(2, np.int64), balanced)
    found = pooled.at(weights.astype(np.float32)).values
    for b in range(3):
        for c in range(2):
            times = weights[pair, b] * (category == c)
            expected = _of_repeated_rows(label, score, times, balanced)
            assert found[b, c] == pytest.approx(expected, abs=1e-6, nan_ok=True)
    whole = pooled.by_category().values
    for c in range(2):
        expected = _of_repeated_rows(label, score, (category == c).astype(int), balanced)
        assert whole[c] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def _of_repeated_rows(label, score, times, balanced: bool) -> float:
    """By scikit-learn; NaN without a positive or without a negative."""
    label, score = np.repeat(label, times), np.repeat(score, times)
    if label.all() or not label.any():
        return np.nan
    negatives_weigh = label.sum() / (~label).sum() if balanced else 1.0
    return average_precision_score(
        label, score, sample_weight=np.where(label, 1.0, negatives_weigh)
    )


@examples(40)
@given(seeds, st.integers(1, 80), st.integers(1, 6))
def test_groups_are_scored_as_if_alone(seed, n, n_groups):
    rng, label, score = _samples(seed, n, 4)
    group = rng.integers(0, n_groups, n)
    found = average_precision(label, score, group, n_groups)
    none = np.zeros(n_groups, np.int64)
    pooled = PooledPrecision(label, score, np.arange(n), group, none)
    np.testing.assert_allclose(pooled.by_category().values, found, atol=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "_MOST", 5)  # ranked by halves of the groups
        np.testing.assert_array_equal(average_precision(label, score, group, n_groups), found)
    for g in range(n_groups):
        own = group == g
        np.testing.assert_allclose(
            found[g], average_precision(label[own], score[own])[0], atol=1e-12
        )


@examples(60)
@given(seeds, st.integers(2, 60), st.sampled_from([1, 3, 1000]))
def test_roc_auc_is_scikit_learns(seed, n, n_scores):
    _, label, score = _samples(seed, n, n_scores)
    if label.all() or not label.any():
        assert np.isnan(roc_auc(label, score))
    else:
        assert roc_auc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)


def published_distances(xy, side: int, cells: int) -> np.ndarray:
    """Squared distances of all frame pixels, then nearest-mode resizing to the cells."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float64)
    pixels = (columns - xy[0]) ** 2 + (rows - xy[1]) ** 2
    pick = (np.arange(cells) * side) // cells
    return pixels[np.ix_(pick, pick)]


def looped_maxima(scores, distances, radius, closed, nearest_inside):
    inside, outside = [], []
    nearest = distances.argmin()
    for i, (score, d2) in enumerate(zip(scores.ravel(), distances.ravel(), strict=True)):
        within = d2 <= radius**2 if closed else d2 < radius**2
        (inside if within or (nearest_inside and i == nearest) else outside).append(score)
    return max(inside, default=np.nan), max(outside, default=np.nan)


@examples(25)
@given(
    seeds,
    st.sampled_from([1, 2, 5, 12, 60]),
    st.booleans(),
    st.booleans(),
    st.lists(st.sampled_from([0.0, 3.0, 14.0, 70.0, 84.5, 280.0, 900.0]), min_size=1, max_size=3),
)
def test_circle_maxima_is_the_published_pixel_grid(seed, cells, closed, nearest_inside, radii):
    rng = np.random.default_rng(seed)
    # Whole pixels, on cell corners now and then, and some beyond the frame.
    centres = np.concatenate(
        [rng.integers(-60, 900, (3, 2)), rng.integers(0, cells, (2, 2)) * (840 // cells)]
    ).astype(float)
    maps = rng.integers(0, 6, (5, cells, cells)).astype(np.float32)
    best = maps.reshape(5, -1).argmax(axis=1)
    geometry = Geometry(
        key="k",
        anchor="top-left",
        frame_px=840,
        closed=closed,
        nearest_inside=nearest_inside,
        absent_at_corner=False,
    )
    edges = np.arange(cells) * (840.0 / cells)
    inside, outside = circle_maxima(
        maps, best, edges, edges, centres, np.tile(np.array(radii)[:, None], 5), geometry
    )
    for q, xy in enumerate(centres):
        d2 = published_distances(xy, 840, cells)
        for a, radius in enumerate(radii):
            expected = looped_maxima(maps[q], d2, radius, closed, nearest_inside)
            np.testing.assert_array_equal((inside[a, q], outside[a, q]), expected)
