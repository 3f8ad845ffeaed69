"""sift: dense descriptors where the cells say they are."""

import numpy as np
import pytest

from kapbench.errors import KapbenchError
from kapbench.types import Picture
from kapbench_baselines.sift import Sift


def spot(x: int, y: int) -> Picture:
    """A bright square on grey, centred at x, y."""
    pixels = np.full((480, 480, 3), 90, np.uint8)
    pixels[y - 6 : y + 6, x - 6 : x + 6] = 250
    return Picture(pixels, f"{x}-{y}")


def test_sixty_by_sixty_descriptors():
    (found,) = Sift().encode([spot(100, 100)])
    assert found.values.shape == (200, 60, 60)
    assert found.grid.height == 60


@pytest.mark.parametrize(("at", "to"), [((100, 100), (300, 220)), ((60, 200), (204, 404))])
def test_a_spot_is_found_where_it_moved(at, to):
    model = Sift(radius=24)
    one, two = model.encode([spot(*at), spot(*to)])
    query = one.values[:, at[1] // 8, at[0] // 8]
    unit = two.values / np.linalg.norm(two.values, axis=0)
    row, column = divmod(int((query @ unit.reshape(200, -1)).argmax()), 60)
    assert abs(8 * column + 4 - to[0]) <= 8
    assert abs(8 * row + 4 - to[1]) <= 8


def test_a_radius_without_rings():
    with pytest.raises(KapbenchError, match="radius is 2"):
        Sift(radius=2)
