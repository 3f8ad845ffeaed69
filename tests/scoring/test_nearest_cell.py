"""The nearest cell of kap-v1 is that of exact arithmetic; of equally near cells it is the first."""

from fractions import Fraction

import numpy as np
import pytest
from scoring_cases import pair, similarity

from kapbench.models.controls import CELLS, FRAME_PX
from kapbench.models.reference_models import Oracle
from kapbench.scoring.build_records import pair_columns
from kapbench.scoring.frames import Frame
from kapbench.scoring.grid_geometry import anchor_points
from kapbench.scoring.rules import KapRule, load_rule
from kapbench.scoring.schema import INSIDE, Needs
from kapbench.types import Grid, Keypoints, View

RULE = load_rule("kap-v1")
assert isinstance(RULE, KapRule)
SIZES = [(500, 375), (333, 500), (640, 427), (840, 840), (97, 31), (450, 300), (4032, 3024)]
WITH_TIES = [(500, 375), (840, 840), (450, 300)]
GRIDS = {
    "letterbox": lambda size: Grid.letterbox(size, CELLS, FRAME_PX),
    "stretched": lambda size: Grid.stretched(size, CELLS, CELLS),
}


def exact_edges(kind: str, size: tuple[int, int], axis: int) -> tuple[Fraction, Fraction]:
    """Start of the grid and width of a cell along an axis, original pixels."""
    if kind == "stretched":
        return Fraction(0), Fraction(size[axis], CELLS)
    long = max(size)
    shorter = int(np.around(FRAME_PX * size[axis] / long))
    offset = int((FRAME_PX - shorter) / 2)
    return Fraction(-offset * long, FRAME_PX), Fraction(long, CELLS)


def exact_nearest(kind: str, size: tuple[int, int], axis: int, x: float) -> tuple[int, bool]:
    """The first of the cells whose centre is nearest; whether there are two."""
    start, width = exact_edges(kind, size, axis)
    away = [abs(start + width * (i + Fraction(1, 2)) - Fraction(x)) for i in range(CELLS)]
    return away.index(min(away)), away.count(min(away)) > 1


def points_of(size: tuple[int, int]) -> np.ndarray:
    """Whole and half pixels, as data sets annotate them, and points beyond the image."""
    rng = np.random.default_rng(sum(size))
    return rng.integers(-4, 2 * np.array(size) + 4, (400, 2)) / 2


def made_pair(size, xy):
    given = pair([(1, 1)] * len(xy), [tuple(point) for point in xy], size_px=1e-9)
    box = (0.0, 0.0, float(size[0]), float(size[1]))
    target = View("t", "cat", size, box, Keypoints(xy, np.ones(len(xy), bool)))
    return type(given)(given.pair_id, given.source, target, 1e-9, given.groups, given.twins)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", GRIDS)
def test_nearest_by_exact_arithmetic(kind, size):
    xy = points_of(size)
    (column, tie_x), (row, _) = (
        zip(*(exact_nearest(kind, size, axis, x) for x in xy[:, axis]), strict=True)
        for axis in (0, 1)
    )
    assert any(tie_x) or size not in WITH_TIES
    expected = np.array(row) * CELLS + np.array(column)
    maps = np.broadcast_to(np.arange(CELLS**2, dtype=np.float32), (len(xy), CELLS**2))
    maps = maps.reshape(-1, CELLS, CELLS)
    made = made_pair(size, xy)
    columns = pair_columns(made, similarity(made, maps, GRIDS[kind](size)), Needs.of([RULE]))
    # The circle is smaller than a cell: only the nearest cell is inside, and its score is its number.
    np.testing.assert_array_equal(columns[INSIDE.of(RULE.geometry, 0.01)], expected)


@pytest.mark.parametrize("size", SIZES)
def test_the_oracle_means_the_same_cell(size):
    made = made_pair(size, points_of(size))
    maps = Oracle().match_pair(made, lambda grid: anchor_points(RULE.geometry, grid, size))
    columns = pair_columns(made, maps, Needs.of([RULE]))
    assert (columns[INSIDE.of(RULE.geometry, 0.01)] == 1).all()


def test_cells_are_not_rounded_in_original_pixels():
    grid = Grid.letterbox((500, 375), 37, FRAME_PX)
    assert Frame((500, 375), None).cell_size(grid) == grid.cell_size
    x, y = grid.centres()
    points = anchor_points(load_rule("pck-v1").decode, grid, (500, 375))
    np.testing.assert_allclose(points[0, :, 0], x, rtol=0, atol=1e-10)
    np.testing.assert_allclose(points[:, 0, 1], y, rtol=0, atol=1e-10)
