"""Warped views: what a token says of where it looks is where it looks."""

import numpy as np
import pytest
import torch
from toy_backbone import ToyData, ToyEncoder

from kapbench.errors import KapbenchError
from kapbench.types import Keypoints, View
from kapbench_baselines.canonical.view_pixels import sampled
from kapbench_baselines.canonical.warps import Warping, places, prepare

NONE = Keypoints(np.zeros((0, 2)), np.zeros(0, bool))
VIEW = View("v", "cat", (200, 150), (50.0, 40.0, 150.0, 100.0), NONE)
TINY = Warping(n_warps=2, grid=6, side_px=48)


def gradient(width: int, height: int) -> np.ndarray:
    """Red is x, green is y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)


def test_without_chance_a_view_is_the_box_with_a_margin():
    at = places(VIEW, TINY, None, 100)
    assert at[0, 0].tolist() == pytest.approx([100 - 55 + 0.55, 70 - 55 + 0.55], abs=1e-3)
    assert at[-1, -1].tolist() == pytest.approx([155 - 0.55, 125 - 0.55], abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_pixels_are_read_where_the_places_say(seed):
    at = places(VIEW, TINY, np.random.default_rng(seed), 100)
    found = sampled(gradient(200, 150), at, 0).astype(float)
    inside = (at[..., 0] > 3) & (at[..., 0] < 197) & (at[..., 1] > 3) & (at[..., 1] < 147)
    error = np.abs(found[..., :2] + 0.5 - at.numpy())[inside.numpy()]
    assert error.max() < 2.5  # bilinear, after a resize where the view is coarser
    assert np.median(error) < 0.6


def test_beyond_the_image_is_the_padding():
    at = places(VIEW, Warping(side=(8.0, 8.0)), np.random.default_rng(0), 64)
    found = sampled(np.full((150, 200, 3), 200, np.uint8), at, 77)
    far = (at[..., 0] < -10) | (at[..., 0] > 210)
    assert far.any()
    assert (found[far.numpy()] == 77).all()


def test_chance_hangs_on_the_image_alone(tmp_path):
    data = ToyData()
    both, views = ("cat", "dog"), data.views()
    whole = prepare(data, views, both, ToyEncoder(), TINY, tmp_path / "a")
    part = prepare(data, views[3:5], both, ToyEncoder(), TINY, tmp_path / "b")
    assert torch.equal(whole.tokens[3:5], part.tokens)
    assert torch.equal(whole.xy[3:5], part.xy)
    assert whole.tokens.shape == (8, 3, 36, 7)
    assert whole.masks == {"mask": 4, "box": 4}


@pytest.mark.parametrize("looks_at", [("mask",), ("category", "azimuth"), ("mask", "azimuth")])
def test_a_backbone_that_looks_at_what_is_not_warped_is_refused(looks_at, tmp_path):
    data, encoder = ToyData(), ToyEncoder()
    encoder.conditions_on = looks_at
    still = " and ".join(c for c in looks_at if c != "category")
    with pytest.raises(KapbenchError, match=f"looks at {still} beside") as caught:
        prepare(data, data.views(), ("cat", "dog"), encoder, TINY, tmp_path)
    assert "Choose a backbone that looks at pixels only" in str(caught.value)
    assert encoder.n_encoded == 0
    encoder.conditions_on = ("category",)
    assert prepare(data, data.views()[:1], ("cat", "dog"), encoder, TINY, tmp_path).xy.any()


def test_the_cache_is_used(tmp_path):
    data, encoder = ToyData(), ToyEncoder()
    first = prepare(data, data.views(), ("cat", "dog"), encoder, TINY, tmp_path)
    n = encoder.n_encoded
    again = prepare(data, data.views(), ("cat", "dog"), encoder, TINY, tmp_path)
    assert encoder.n_encoded == n
    assert torch.equal(first.tokens, again.tokens)


def test_tokens_on_the_object_are_in_the_box(tmp_path):
    data = ToyData()
    found = prepare(data, data.views(), ("cat", "dog"), ToyEncoder(), TINY, tmp_path)
    on = found.xy[found.on_object].abs()
    assert on.max() < 0.5 + 1.2 / TINY.grid * 2  # half a box, and part of a cell
    assert found.on_object.any(-1).all()
