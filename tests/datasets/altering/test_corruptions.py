"""Corruptions against what their definitions say, each by another way of computing."""

import io
from pathlib import Path

import numpy as np
import pytest
from dots import Dots
from pictures import picture
from PIL import Image

from kapbench.datasets.altering.alter import alter, options_of
from kapbench.datasets.altering.altered import alterations_of
from kapbench.datasets.altering.corruption_names import NAMES, parse_corruptions
from kapbench.datasets.altering.corruptions.apply import CORRUPTIONS, corrupt_pixels
from kapbench.datasets.altering.corruptions.blur import lens, trail
from kapbench.datasets.altering.corruptions.weather import height_map
from kapbench.errors import KapbenchError
from kapbench.loading import load_dataset
from kapbench.protocols import Dataset, remarks_on

DOTS = f"{Path(__file__).parents[2] / 'support/dots.py'}:Dots"
COLOURFUL = picture(60, 40).pixels
GREY = np.full((64, 64, 3), 128, np.uint8)


def change(name, severity, pixels=COLOURFUL):
    corrupted = corrupt_pixels(pixels, name, severity, "cat/1")
    return float(np.abs(corrupted.astype(float) - pixels).mean())


def test_every_name_has_a_corruption():
    assert tuple(CORRUPTIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_holds_for_all(name):
    first = corrupt_pixels(COLOURFUL, name, 3, "cat/1")
    for other in ("cat/2", "cat/1"):  # whatever was corrupted before
        last = corrupt_pixels(COLOURFUL, name, 3, other)
    np.testing.assert_array_equal(first, last)
    assert (first.shape, first.dtype) == (COLOURFUL.shape, np.uint8)
    for shape in ((1, 1, 3), (1, 7, 3), (9, 4, 3)):
        for pixels in (np.full(shape, 90, np.uint8), np.zeros(shape, np.uint8)):
            assert corrupt_pixels(pixels, name, 5, "a").shape == shape
    if name == "saturate":  # less colour at 1 and 2, more from 3
        assert change(name, 2) > change(name, 1) > 0
        assert change(name, 5) > change(name, 3) > 0
    else:
        assert change(name, 5) > change(name, 1) > 0


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "speckle_noise", "snow", "fog"])
def test_other_images_get_other_noise(name):
    one, other = (corrupt_pixels(COLOURFUL, name, 1, i) for i in ("cat/1", "cat/2"))
    assert (one != other).any()


def test_standard_deviations_of_noise():
    half = 128 / 255
    expected = {
        ("gaussian_noise", 1): 0.08,
        ("gaussian_noise", 2): 0.12,
        ("speckle_noise", 2): 0.2 * half,
        ("shot_noise", 1): np.sqrt(half / 60),
    }
    for (name, severity), std in expected.items():
        noise = corrupt_pixels(GREY, name, severity, "a") / 255 - half
        assert noise.std() == pytest.approx(std, rel=0.03)
        assert abs(noise.mean()) < 0.01


def test_impulses_are_black_and_white_alike():
    corrupted = corrupt_pixels(GREY, "impulse_noise", 5, "a")
    black, white = ((corrupted == end).mean() for end in (0, 255))
    assert black + white == pytest.approx(0.27, abs=0.02)
    assert black == pytest.approx(white, abs=0.02)
    assert set(np.unique(corrupted)) == {0, 128, 255}


def test_a_point_becomes_the_kernel():
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    y, x = np.mgrid[-20:21, -20:21]
    gaussian = np.exp(-(x**2 + y**2) / 2)  # severity 1: sigma 1
    blurred = corrupt_pixels(point, "gaussian_blur", 1, "a")[:, :, 0]
    np.testing.assert_allclose(blurred, 255 * gaussian / gaussian.sum(), atol=1)
    disk = corrupt_pixels(point, "defocus_blur", 1, "a")[:, :, 0]
    inside = x**2 + y**2 <= 9  # severity 1: radius 3, hardly softened
    np.testing.assert_allclose(disk, 255 * inside / inside.sum(), atol=1)


def test_the_lens_has_its_radius():
    for radius, sigma in ((6, 0.5), (10, 0.5)):
        kernel = lens(radius, sigma)
        assert kernel.sum() == pytest.approx(1)
        assert 1 / kernel.max() == pytest.approx(np.pi * radius**2, rel=0.05)


def test_motion_leaves_half_a_gaussian_along_its_direction():
    point = np.zeros((9, 41, 1))
    point[4, 20] = 1
    moved = trail(point, radius=10, sigma=3, angle=0)[:, :, 0]
    half = np.exp(-(np.arange(21) ** 2) / 18)
    np.testing.assert_allclose(moved[4, 20::-1], half / half.sum())
    assert moved[4, 21:].sum() == moved[[*range(4), *range(5, 9)]].sum() == 0


def test_zoom_keeps_the_middle_and_spreads_the_rest():
    lines = np.zeros((61, 61, 3), np.uint8)
    lines[:, 30] = lines[:, 55] = 255
    blurred = corrupt_pixels(lines, "zoom_blur", 1, "a")[30, :, 0].astype(int)
    assert blurred[30] > 200
    assert blurred[55] < 128
    assert (blurred[56:58] > 0).all()  # 25 px from the middle moves up to 2.5 px outwards
    assert blurred[50:54].sum() == 0


def test_height_maps():
    rough, smooth = (height_map(100, decay, np.random.default_rng(0)) for decay in (1.4, 3))
    for heights in (rough, smooth):
        assert (heights.shape, heights.min(), heights.max()) == ((128, 128), 0, 1)
    steps = [np.abs(np.diff(heights)).mean() for heights in (rough, smooth)]
    assert steps[0] > 2 * steps[1]


def test_weather():
    for name in ("snow", "brightness"):
        assert corrupt_pixels(COLOURFUL // 2, name, 3, "a").mean() > COLOURFUL.mean() / 2 + 20
    foggy = corrupt_pixels(GREY, "fog", 3, "a")  # (0.5 + 2.5 · map) · 0.5 / (0.5 + 2.5)
    assert (foggy == foggy[:, :, :1]).all()
    assert foggy.min() >= 21
    assert 110 < foggy.max() <= 128
    detail = [np.ptp(corrupt_pixels(COLOURFUL, "fog", s, "a"), axis=2).mean() for s in (1, 5)]
    assert detail[1] < detail[0] < np.ptp(COLOURFUL, axis=2).mean()


def test_digital_corruptions():
    content = io.BytesIO()
    Image.fromarray(COLOURFUL).save(content, "JPEG", quality=7)
    np.testing.assert_array_equal(
        corrupt_pixels(COLOURFUL, "jpeg_compression", 5, "a"), Image.open(content)
    )
    mean = COLOURFUL.mean(axis=(0, 1))
    np.testing.assert_allclose(
        corrupt_pixels(COLOURFUL, "contrast", 1, "a"), mean + 0.4 * (COLOURFUL - mean), atol=0.51
    )
    blocks = corrupt_pixels(COLOURFUL, "pixelate", 5, "a")  # 60×40 by 15×10
    assert (blocks.reshape(10, 4, 15, 4, 3) == blocks[::4, None, ::4, None]).all()
    grey = np.full((4, 4, 3), 51, np.uint8)
    assert (corrupt_pixels(grey, "brightness", 2, "a") == 51 + 51).all()
    assert np.ptp(corrupt_pixels(COLOURFUL, "saturate", 2, "a"), axis=2).max() < 30


class TestDataset:
    def test_only_pixels_and_revision_change(self):
        plain, foggy = Dots(), alter(Dots(), corrupt="fog:3")
        assert isinstance(foggy, Dataset)
        view = plain.views()[0]
        expected = corrupt_pixels(plain.pixels(view), "fog", 3, view.image_id)
        np.testing.assert_array_equal(foggy.pixels(view), expected)
        assert (foggy.name, foggy.revision) == ("dots", "1-fog-3")
        assert [p.pair_id for p in foggy.pairs()] == [p.pair_id for p in plain.pairs()]
        assert remarks_on(foggy) == ("Images are corrupted: fog of severity 3 of 5",)

    def test_alterations_can_be_made_again(self):
        both = alter(Dots(), reverse=True, corrupt="shot_noise:5")
        assert both.revision == "1-reverse-shot_noise-5"
        assert options_of(alterations_of(both)) == {"reverse": True, "corrupt": "shot_noise:5"}

    def test_any_data_set_takes_the_option(self):
        data = load_dataset(DOTS, corrupt="contrast:1")
        assert data.revision.endswith("-contrast-1")


@pytest.mark.parametrize("text", ["fog", "fog:", "fog:0", "fog:6", "fog:1,1", "fog:1.5", "fogg:3"])
def test_other_names_and_severities_are_refused(text):
    with pytest.raises(KapbenchError, match=r"Unknown corruption|no severity|number from 1 to 5"):
        parse_corruptions(text)


def test_several_severities_are_for_a_sweep():
    assert parse_corruptions("fog:1,5") == [("fog", 1), ("fog", 5)]
    with pytest.raises(KapbenchError, match="a run has one corruption"):
        alter(Dots(), corrupt="fog:1,5")
