"""lite0 must never drift: its numbers stand in tables."""

import os

import numpy as np
import pytest
import torch
from pictures import picture

import kapbench
from kapbench.errors import KapbenchError
from kapbench.models.letterbox import letterboxed
from kapbench_baselines.lite0 import encoder
from kapbench_baselines.lite0.network import EfficientNetLite0, SamePadConv


@pytest.fixture(scope="module")
def model():
    return encoder.Lite0()


def test_activations_stay_what_they_were(model):
    values = model.encode([picture(320, 200)])[0].values
    assert values.shape == (304, 60, 60)
    found = [values[0, 30, 30], values[111, 12, 40], values[112, 30, 30], values[303, 45, 5]]
    np.testing.assert_allclose(found, FROZEN, atol=1e-4)


def test_each_block_has_unit_length_at_its_own_cells(model):
    """Bilinear resizing shortens vectors in between, never at the corners."""
    values = model.encode([picture(256, 256)])[0].values
    corner = values[:, 0, 0]
    assert np.linalg.norm(corner[:112]) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(corner[112:]) == pytest.approx(1, abs=1e-5)


def test_blocks_have_the_published_shapes():
    net = EfficientNetLite0().eval()
    with torch.inference_mode():
        shapes = [tuple(t.shape[1:]) for t in net(torch.zeros(1, 3, 64, 64), (0, 2, 4, 10, 14, 15))]
    assert shapes == [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4), (192, 2, 2), (320, 2, 2)]


@pytest.mark.parametrize("n", [7, 8, 9])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2)])
def test_padding_is_tensorflows(n, kernel, stride):
    """Output is ceil(n / stride), and the odd pixel of padding comes last."""
    conv = SamePadConv(1, 1, kernel, stride, bias=False)
    torch.nn.init.ones_(conv.weight)
    out = conv(torch.ones(1, 1, n, n))
    assert out.shape[-1] == -(-n // stride)
    total = max((out.shape[-1] - 1) * stride + kernel - n, 0)
    first_column = kernel - total // 2
    assert out[0, 0, 0, 0].item() == first_column**2


def test_weights_of_another_hash_are_refused(monkeypatch):
    monkeypatch.setattr(encoder, "SHA256", "0" * 64)
    with pytest.raises(KapbenchError, match="not the published ImageNet weights"):
        encoder.Lite0().encode([picture(64, 64)])


def test_weights_that_are_not_installed(monkeypatch):
    monkeypatch.setattr(encoder, "PACKAGE", "no_such_package")
    with pytest.raises(KapbenchError, match="The ImageNet weights are missing") as caught:
        encoder.Lite0().encode([picture(64, 64)])
    assert caught.value.place == "no_such_package"


def test_letterbox_is_centred_and_padded():
    square = letterboxed(picture(100, 50), 200, padding=9)
    assert (square[:50] == 9).all()
    assert (square[150:] == 9).all()
    assert (square[60:140] != 9).any()


@pytest.mark.slow
@pytest.mark.skipif("KAPBENCH_DATA" not in os.environ, reason="needs KAPBENCH_DATA with SPair-71k")
def test_its_figures_on_cats(tmp_path):
    """Those of docs/models.md; rounding may move single keypoints of 6,198."""
    rules = ["kap-cvpr24", "pck-sd-dino"]
    done = kapbench.evaluate(
        "lite0", "spair", categories=["cat"], rule=rules, device="cpu", cache=tmp_path
    )
    assert done.headline("kap-cvpr24") == pytest.approx(0.583, abs=0.002)
    assert done.headline("pck-sd-dino") == pytest.approx(0.580, abs=0.002)


FROZEN = [-0.011903, 0.105629, 0.142306, 0.100794]
