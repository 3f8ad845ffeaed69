"""Squares that published runs show their models, against the same made with plain arrays."""

import numpy as np
import pytest
from pictures import picture
from PIL import Image

from kapbench.models.letterbox import letterboxed, square_grid, squared


def padded(pixels: np.ndarray, before: tuple[int, int]) -> np.ndarray:
    """White around an image, so that it is a square that begins `before` (x, y) px earlier."""
    height, width, _ = pixels.shape
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    x, y = before
    square[y : y + height, x : x + width] = pixels
    return square


@pytest.mark.parametrize(
    ("padding", "size", "before"),
    [
        ("corner-white", (30, 17), (0, 0)),
        ("corner-white", (17, 30), (0, 0)),
        ("centre-white", (30, 17), (0, 6)),  # 13 px of padding: 6 above, 7 below
        ("centre-white", (17, 30), (6, 0)),
    ],
)
def test_a_padded_square_is_white_around_the_image_and_then_resized(padding, size, before):
    shown = picture(*size)
    expected = Image.fromarray(padded(shown.pixels, before)).resize((48, 48), Image.BICUBIC)
    assert (squared(shown, 48, padding) == np.asarray(expected)).all()
    (x, y), side = before, 30
    grid = square_grid(size, 6, 48, padding)
    assert (grid.box, grid.height, grid.width) == ((-x, -y, side - x, side - y), 6, 6)


def test_a_stretched_picture_fills_the_square():
    shown = picture(30, 17)
    expected = Image.fromarray(shown.pixels).resize((48, 48), Image.BILINEAR)
    assert (squared(shown, 48, "stretch") == np.asarray(expected)).all()
    assert square_grid((30, 17), 6, 48, "stretch").box == (0, 0, 30, 17)


def test_the_letterbox_is_the_published_one():
    shown = picture(30, 17)
    assert (squared(shown, 48, "centre-black") == letterboxed(shown, 48)).all()
