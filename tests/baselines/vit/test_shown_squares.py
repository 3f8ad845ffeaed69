"""What `padding` shows a vision transformer, and where its cells then lie on the image."""

import numpy as np
import pytest
import torch
from frozen_vits import MEAN, STD, made, offline, reference
from pictures import picture

from kapbench.errors import KapbenchError
from kapbench.models.letterbox import squared

SIZE, PATCH, NETWORK_PX = (50, 31), 16, 48
TOKENS = {"stride": PATCH, "layer": -1, "facet": "token"}


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    """Folder and network, made for the side that it is shown."""
    folder = tmp_path_factory.mktemp("dino")
    net = made("dino", PATCH, NETWORK_PX, depth=1)
    net.save_pretrained(folder)
    return folder, net


def normalised(square):
    pixels = torch.tensor(square).permute(2, 0, 1)[None].float() / 255
    return (pixels - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)


@pytest.mark.parametrize(
    ("padding", "box"),
    [
        ("corner-white", (0, 0, 50, 50)),
        ("centre-white", (0, -9, 50, 41)),
        ("stretch", (0, 0, 50, 31)),
    ],
)
def test_the_network_sees_the_square_and_its_cells_lie_there(dino, padding, box):
    folder, net = dino
    shown = picture(*SIZE)
    model = offline("dino.vits16", folder, image_px=NETWORK_PX, padding=padding, **TOKENS)
    [features] = model.encode([shown])
    expected = reference(net, normalised(squared(shown, NETWORK_PX, padding)), -1, "token")
    np.testing.assert_allclose(features.values.reshape(expected.shape), expected, atol=1e-4)
    assert features.grid.box == box
    assert model.options["padding"] == padding
    assert padding in model.revision
    assert model.padding == (255 if "white" in padding else 0)


def test_a_square_that_no_patches_fill_gets_a_border_of_the_mean(dino):
    """42 px of patches of 16 px: 3 px on each side, as Probe3D fills 800 px to 812."""
    folder, net = dino
    shown = picture(*SIZE)
    model = offline("dino.vits16", folder, image_px=42, padding="corner-white", **TOKENS)
    [features] = model.encode([shown])
    inner = normalised(squared(shown, 42, "corner-white"))
    expected = reference(net, torch.nn.functional.pad(inner, (3, 3, 3, 3)), -1, "token")
    np.testing.assert_allclose(features.values.reshape(expected.shape), expected, atol=1e-4)
    border = 3 * 50 / 42
    assert features.grid.box == pytest.approx((-border, -border, 50 + border, 50 + border))


def test_the_default_letterbox_is_named_nowhere(dino):
    model = offline("dino.vits16", dino[0], image_px=NETWORK_PX, **TOKENS)
    assert "padding" not in model.options
    assert "centre" not in model.revision


def test_an_unknown_padding_is_refused(dino):
    with pytest.raises(KapbenchError, match="Unknown padding 'white'") as caught:
        offline("dino.vits16", dino[0], image_px=NETWORK_PX, padding="white", **TOKENS)
    assert "corner-white" in caught.value.fix
