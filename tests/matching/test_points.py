"""Regular sets of points, and the refusal of points that are none."""

import numpy as np
import pytest

from kapbench.errors import KapbenchError
from kapbench.matching.points import checked_points, regular_points


def test_a_lattice_over_the_whole_image():
    points = regular_points((40, 20), 8)
    assert points.tolist() == [[5 + 10 * i, 5 + 10 * j] for j in range(2) for i in range(4)]


@pytest.mark.parametrize("n_points", [7, 64, 500])
@pytest.mark.parametrize("size", [(300, 200), (97, 310)])
def test_the_number_of_points_is_about_what_is_asked_for(size, n_points):
    points = regular_points(size, n_points)
    assert 0.6 * n_points <= len(points) <= 1.5 * n_points
    assert (points > 0).all()
    assert (points < size).all()


def test_points_lie_on_the_object():
    mask = np.zeros((100, 100), bool)
    mask[20:60, 50:90] = True
    points = regular_points((100, 100), 16, mask)
    assert 12 <= len(points) <= 20
    assert all(mask[int(y), int(x)] for x, y in points)


def test_the_smallest_object_has_a_point():
    mask = np.zeros((100, 100), bool)
    mask[37, 83] = True
    assert regular_points((100, 100), 1, mask).astype(int).tolist() == [[83, 37]]


def test_an_empty_mask_is_refused():
    with pytest.raises(KapbenchError, match="no pixel on the object"):
        regular_points((10, 10), 4, np.zeros((10, 10), bool))


@pytest.mark.parametrize("points", [[[1, 2, 3]], [1, 2], "ab", [["x", "y"]], [[np.nan, 1]]])
def test_points_that_are_none(points):
    with pytest.raises(KapbenchError, match="Points are not pairs of numbers"):
        checked_points(points, (10, 10), "a.png")


@pytest.mark.parametrize("point", [[-0.1, 5], [5, 20.1], [10.5, 5]])
def test_a_point_outside_the_image(point):
    with pytest.raises(KapbenchError, match="lies outside the image, which has 10×20 px"):
        checked_points([[0, 0], [10, 20], point], (10, 20), "a.png")


def test_no_points():
    assert checked_points([], (10, 20), "a.png").shape == (0, 2)
