"""Colours of feature maps, and the windows they are shown in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from kapbench.types import FeatureMap, Grid, Keypoints, View
from kapbench_leaderboard.figures import feature_colours
from kapbench_leaderboard.figures.feature_figure import window

NONE = Keypoints(np.zeros((0, 2)), np.zeros(0, bool))


def view(size=(80, 60), box=(20.0, 10.0, 60.0, 40.0), name="v", azimuth=None) -> View:
    return View(name, "cat", size, box, NONE, azimuth)


class TestBasis:
    def test_is_the_principal_components_of_unit_features(self):
        values = np.random.default_rng(0).normal(size=(200, 8)) * np.arange(1, 9)
        unit = values / np.linalg.norm(values, axis=1, keepdims=True)
        expected = PCA(3).fit(unit).components_
        found = feature_colours.Basis.of(values).axes.T
        assert np.abs((found * expected).sum(axis=1)) == pytest.approx(np.ones(3))

    def test_lengths_of_features_do_not_matter(self):
        values = np.random.default_rng(1).normal(size=(50, 5))
        longer = values * np.random.default_rng(2).uniform(1, 9, (50, 1))
        basis = feature_colours.Basis.of(values)
        assert (basis.colours(values) == basis.colours(longer)).all()

    def test_equal_features_of_two_images_get_one_colour(self):
        values = np.random.default_rng(3).normal(size=(40, 6))
        basis = feature_colours.Basis.of(np.concatenate([values, values[:7]]))
        assert (basis.colours(values)[:7] == basis.colours(values[:7])).all()

    @pytest.mark.parametrize("shape", [(10, 1), (10, 2), (1, 5)])
    def test_fewer_components_than_three_leave_the_others_grey(self, shape):
        values = np.random.default_rng(4).normal(size=shape)
        assert (feature_colours.Basis.of(values).colours(values)[:, 2] == 128).all()

    def test_no_features_at_all_are_grey(self):
        assert (feature_colours.Basis.of(np.zeros((4, 3))).colours(np.zeros((4, 3))) == 128).all()


def test_coordinates_of_the_sphere():
    points = np.array([[-1.0, 0, 1], [1, -1, 0]])
    assert feature_colours.coordinates(points).tolist() == [[0, 128, 255], [255, 0, 128]]


def test_cells_are_row_by_row():
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    found = feature_colours.cells(FeatureMap(values, Grid.stretched((30, 20), 2, 3)))
    assert found[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


class TestOnObject:
    grid = Grid.stretched((80, 60), 6, 8)  # centres at 5, 15, ...

    def test_cells_in_the_box(self):
        found = feature_colours.on_object(self.grid, view(), None).reshape(6, 8)
        assert np.argwhere(found.any(axis=0)).ravel().tolist() == [2, 3, 4, 5]
        assert np.argwhere(found.any(axis=1)).ravel().tolist() == [1, 2, 3]

    def test_the_mask_goes_before_the_box(self):
        mask = np.zeros((60, 80), bool)
        mask[5, 75] = True
        found = feature_colours.on_object(self.grid, view(), mask).reshape(6, 8)
        assert np.argwhere(found).tolist() == [[0, 7]]

    def test_cells_outside_the_image_are_not_on_it(self):
        letterbox = Grid.letterbox((80, 60), 8, 80)
        found = feature_colours.on_object(letterbox, view(), np.ones((60, 80), bool)).reshape(8, 8)
        assert found.sum() == 48

    def test_all_cells_where_none_is(self):
        assert feature_colours.on_object(self.grid, view(), np.zeros((60, 80), bool)).all()


class TestSpread:
    def test_over_the_azimuths(self):
        views = [view(name=str(i), azimuth=i % 8) for i in range(16)]
        assert [v.azimuth_bin for v in feature_colours.spread(views, 4)] == [0, 2, 5, 7]

    @given(st.integers(1, 12), st.integers(1, 12))
    def test_as_many_as_asked_or_as_there_are_each_once(self, n_views, n):
        views = [view(name=f"{i:02}") for i in range(n_views)]
        found = [v.image_id for v in feature_colours.spread(views, n)]
        assert len(set(found)) == len(found) == min(n, n_views)


@given(
    st.integers(20, 500),
    st.integers(20, 500),
    st.floats(0, 0.6),
    st.floats(0, 0.6),
    st.floats(0.1, 0.4),
    st.floats(0.1, 0.4),
    st.floats(0.6, 1.25),
)
def test_a_window_holds_the_object_and_stays_in_the_image_where_it_fits(w, h, x, y, bw, bh, ratio):
    box = (x * w, y * h, (x + bw) * w, (y + bh) * h)
    x0, y0, wide, tall = window(view((w, h), box), ratio)
    assert tall == pytest.approx(wide * ratio)
    assert x0 <= box[0] + 1e-6
    assert y0 <= box[1] + 1e-6
    assert x0 + wide >= box[2] - 1e-6
    assert y0 + tall >= box[3] - 1e-6
    if wide <= w:
        assert x0 >= -1e-6
        assert x0 + wide <= w + 1e-6
