"""Window soft-argmax and source cells against slow, direct versions."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from kapbench.scoring.grid_geometry import argmax_cells, decode_cells, source_cells
from kapbench.scoring.rules import Decode
from kapbench.scoring.soft_argmax import in_window
from kapbench.types import Grid, Letterbox


def slow_soft_argmax(values: np.ndarray, window: int, temperature: float) -> tuple[float, float]:
    """As golden/README states it: similarity 0 outside the window, softmax over all cells."""
    height, width = values.shape
    row, column = np.unravel_index(values.argmax(), values.shape)
    kept = np.zeros(values.shape)
    for r in range(height):
        for c in range(width):
            if abs(r - row) <= window and abs(c - column) <= window:
                kept[r, c] = values[r, c]
    weight = np.exp((kept - kept.max()) / temperature)
    weight /= weight.sum()
    return (
        float(sum(weight[r, c] * c for r in range(height) for c in range(width))),
        float(sum(weight[r, c] * r for r in range(height) for c in range(width))),
    )


@examples(40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 8),
    st.integers(1, 8),
    st.sampled_from([0, 1, 2, 5]),
    st.sampled_from([0.02, 0.3]),
)
def test_window_soft_argmax(seed, height, width, window, temperature):
    maps = np.random.default_rng(seed).uniform(-1, 1, (3, height, width)).astype(np.float32)
    best = maps.reshape(3, -1).argmax(axis=1)
    found = in_window(maps, best, window, temperature)
    expected = [slow_soft_argmax(m.astype(np.float64), window, temperature) for m in maps]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_cells_outside_the_window_pull_towards_the_middle():
    # A flat map of zeros: every cell weighs the same, in the window or not.
    maps = np.zeros((1, 5, 9), np.float32)
    found = in_window(maps, np.array([0]), 1, 0.02)
    np.testing.assert_allclose(found, [[4.0, 2.0]])


def test_a_map_below_zero_everywhere_is_drowned_by_its_zeros_outside():
    # Peak −1 at the corner, window 0: outside exp(0), inside exp(−50).
    maps = np.full((1, 3, 3), -2.0, np.float32)
    maps[0, 0, 0] = -1.0
    found = in_window(maps, np.array([0]), 0, 0.02)
    np.testing.assert_allclose(found, [[9 / 8, 9 / 8]])  # mean of the eight others


@examples(60)
@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.lists(st.tuples(st.floats(-5, 3005), st.floats(-5, 3005)), min_size=1, max_size=5),
)
def test_source_cells_floor_in_the_frame(size, points):
    xy = np.array(points)
    found = source_cells(Grid.letterbox(size, 60, 840), size, xy)
    frame = Letterbox(size, 840).to_frame(xy)
    for cell, (x, y) in zip(found, frame, strict=True):
        column, row = (int(np.clip(np.floor(np.float32(60 / 840) * v), 0, 59)) for v in (x, y))
        assert cell == row * 60 + column


def test_a_window_that_holds_the_whole_map_needs_no_zeros_outside():
    # Two cells of −0.5 and −0.52: weights 1 and exp(−1).
    maps = np.array([[[-0.5, -0.52]]], np.float32)
    found = in_window(maps, np.array([0]), 1, 0.02)
    np.testing.assert_allclose(found, [[np.exp(-1) / (1 + np.exp(-1)), 0]], atol=1e-5)


def test_a_stretched_grid_has_cells_of_two_sizes():
    # 200 × 100 px, 2 rows × 4 columns: cells of 50 × 50 px in the image, 210 × 210 in the frame.
    grid = Grid.stretched((200, 100), 2, 4)
    assert source_cells(grid, (200, 100), np.array([[0, 0], [199, 99], [51, 49]])).tolist() == [
        0,
        7,
        1,
    ]
    centre = Decode(key="c", offset="centre", frame_px=None)
    cells = argmax_cells(np.array([0, 7]), grid)
    assert decode_cells(centre, grid, (200, 100), cells).tolist() == [[25, 25], [175, 75]]


def test_floor_half_cell_floors():
    # 840 / 56 = 15 px cells: 15 // 2 = 7, not 7.5.
    grid = Grid.letterbox((840, 840), 56, 840)
    decode = Decode(key="g", offset="floor-half-cell", frame_px=840)
    assert decode_cells(decode, grid, (840, 840), np.array([[1.0, 2.0]])).tolist() == [[22, 37]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "k", "offset": "centre", "frame_px": 840},
        {"key": "k", "offset": "floor-half-cell", "frame_px": None},
        {"key": "k", "offset": "centre", "frame_px": None, "window": 5},
    ],
)
def test_contradicting_decodes_are_refused(wrong):
    with pytest.raises(ValueError):
        Decode(**wrong)
