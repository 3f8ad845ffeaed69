"""The best cell of a map and the second peak, by hand and against their definition."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kapbench.matching.peaks import NONE, best_cells, cell_centres, second_peaks
from kapbench.types import Grid

GRID = Grid.stretched((50, 40), 4, 5)  # cells of 10 px


def peaks(rows: list[list[float]], radius_px: float) -> tuple[int, int]:
    maps = np.array([rows], np.float32)
    best = best_cells(maps)
    return int(best[0]), int(second_peaks(maps, best, GRID, radius_px)[0])


HILLS = [[0, 0, 0, 0, 0], [0, 9, 8, 0, 0], [0, 7, 0, 0, 5], [0, 0, 0, 6, 0]]


@pytest.mark.parametrize(
    ("radius_px", "second"),
    [
        (0, 18),  # 8 and 7 are no peaks, since 9 is beside them; 5 has 6 beside it
        (28.2, 18),  # two columns and two rows: 28.3 px
        (28.4, NONE),  # 5 is farther, but beside 6; zeros far away have 5 or 6 beside them ...
    ],
)
def test_by_hand(radius_px, second):
    rows = [list(map(float, row)) for row in HILLS]
    if radius_px == 28.4:
        rows[0][4] = -1.0  # ... but for this corner, which is lower than its neighbours
    assert peaks(rows, radius_px) == (6, second)


def test_equal_cells_are_taken_row_by_row():
    flat = [[3.0] * 5 for _ in range(4)]
    assert peaks(flat, 0) == (0, 1)
    assert peaks(flat, 10) == (0, 2)  # cell 1 is exactly 10 px away, which is not farther
    assert peaks(flat, 1000) == (0, NONE)


@examples(60)
@given(
    maps=arrays(np.float32, (2, 4, 5), elements=st.integers(0, 3).map(float)),
    radius_px=st.sampled_from([0, 10, 15, 22.5, 60]),
)
def test_the_second_peak_is_what_its_definition_says(maps, radius_px):
    best = best_cells(maps)
    seconds = second_peaks(maps, best, GRID, radius_px)
    for values, first, second in zip(maps, best, seconds, strict=True):
        allowed = []
        for cell in range(20):
            row, column = divmod(cell, 5)
            around = values[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            apart = np.hypot(row - first // 5, column - first % 5) * 10
            if values[row, column] == around.max() and apart > radius_px:
                allowed.append(cell)
        expected = max(allowed, key=lambda c: (values.flat[c], -c), default=NONE)
        assert second == expected


def test_no_cell_has_no_centre():
    xy = cell_centres(np.array([0, 19, NONE]), GRID)
    assert xy[:2].tolist() == [[5, 5], [45, 35]]
    assert np.isnan(xy[2]).all()
