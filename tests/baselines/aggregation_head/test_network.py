"""The head under its released names: strict loading, refusals, and the encoder on top."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from toy_backbone import ToyEncoder, paint

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.storage import file_hash
from kapbench.types import Picture
from kapbench_baselines.aggregation_head import diy_sc
from kapbench_baselines.aggregation_head.diy_sc import AggregatedEncoder
from kapbench_baselines.aggregation_head.network import AggregationNetwork, released
from kapbench_baselines.vit.weights import read_tensors


def layout(widths, width_out):
    """Names and shapes as github.com/odunkel/DIY-SC-torchhub and GeoAware-SC release them."""
    narrow, found = width_out // 4, {}
    for i, width in enumerate(widths):
        convs = {
            "conv1": (narrow, width, 1, 1),
            "conv2": (narrow, narrow, 3, 3),
            "conv3": (width_out, narrow, 1, 1),
        }
        if width != width_out:
            convs["shortcut"] = (width_out, width, 1, 1)
        for name, shape in convs.items():
            head = f"bottleneck_layers.{i}.0.{name}"
            found |= {f"{head}.weight": shape, f"{head}.norm.weight": shape[:1]}
            found |= {f"{head}.norm.bias": shape[:1]}
    return found | {"mixing_weights": (len(widths),), "logit_scale": (), "self_logit_scale": ()}


def random_state(widths, width_out):
    generator = torch.Generator().manual_seed(0)
    shapes = layout(widths, width_out)
    return {k: torch.randn(s, generator=generator) * 0.1 for k, s in shapes.items()}


@pytest.mark.parametrize(
    ("widths", "width_out"),
    [([768], 768), ([768], 384), ([768], 128), ([640, 1280, 1280, 768], 768)],
)
def test_released_layouts_load_strictly(widths, width_out, tmp_path):
    state = random_state(widths, width_out)
    path = tmp_path / "best.pth"
    torch.save(state, path)
    net = released(read_tensors(path), path)
    assert (net.widths, net.width_out) == (widths, width_out)
    assert {k: tuple(v.shape) for k, v in net.state_dict().items()} == layout(widths, width_out)
    assert all(torch.equal(net.state_dict()[k], v) for k, v in state.items())


def test_the_network_is_what_its_parts_say():
    """Against torch's own layers, put together by the description."""
    state = random_state([8], 128)
    net = released(state, Path("w.pth"))
    x = torch.randn(2, 8, 5, 6)

    def conv(name, value, padding=0):
        head = f"bottleneck_layers.0.0.{name}"
        out = torch.nn.functional.conv2d(value, state[f"{head}.weight"], padding=padding)
        norm = state[f"{head}.norm.weight"], state[f"{head}.norm.bias"]
        return torch.nn.functional.group_norm(out, 32, *norm)

    hidden = conv("conv2", conv("conv1", x).relu(), 1).relu()
    expected = (conv("conv3", hidden) + conv("shortcut", x)).relu()
    with torch.inference_mode():
        assert torch.allclose(net(x), expected, atol=1e-5)


@pytest.mark.parametrize("lost", ["bottleneck_layers.0.0.conv2.norm.bias", "mixing_weights"])
def test_a_missing_tensor_is_named(lost, tmp_path):
    state = random_state([768], 128)
    del state[lost]
    with pytest.raises(KapbenchError, match=lost.rsplit(".", 2)[-1]):
        released(state, tmp_path / "w.pth")


def test_a_file_that_is_something_else(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(KapbenchError, match=r"no tensor.s name ends with \.conv3\.weight"):
        released(read_tensors(path), path)
    (tmp_path / "w.pth").write_bytes(pickle.dumps(KapbenchError("x")))
    with pytest.raises(KapbenchError, match="a pickle"):
        read_tensors(tmp_path / "w.pth")


def test_diy_sc_without_its_head_says_where_it_is():
    with pytest.raises(KapbenchError, match="needs the released weights of its head") as caught:
        load_model("diy_sc.384")
    assert "66f35169" in str(caught.value)
    assert "CC0" in str(caught.value)


def test_a_head_of_another_width(tmp_path):
    path = tmp_path / "best.pth"
    torch.save(random_state([768], 128), path)
    with pytest.raises(KapbenchError, match="128 channels, not 768") as caught:
        load_model("diy_sc.768", weights=str(path))
    assert "diy_sc.128" in str(caught.value)


@pytest.mark.slow
def test_a_pth_that_is_not_the_released_one(tmp_path, monkeypatch):
    path = tmp_path / "best.pth"
    torch.save(random_state([768], 128), path)
    with pytest.raises(KapbenchError, match="not 24479ac3") as caught:
        load_model("diy_sc.128", weights=str(path))
    assert "ckpts/0368_dino_spair_fdim_128/best.pth" in str(caught.value)
    # Whose hash is the release's is taken: what is missing then is the backbone.
    monkeypatch.setitem(diy_sc.CHECKPOINTS, 128, ("folder", file_hash(path)[:8]))
    with pytest.raises(KapbenchError, match="The weights do not exist"):
        load_model("diy_sc.128", weights=str(path), backbone_weights=str(tmp_path / "nowhere"))


def test_features_of_another_backbone_are_refused():
    model = AggregatedEncoder("head", ToyEncoder(), AggregationNetwork([9], 128).eval(), "w")
    with pytest.raises(KapbenchError, match="has 7 channels, but these weights take 9"):
        model.encode([Picture(paint(0), "a")])


def test_maps_lie_on_the_backbones_grid():
    model = AggregatedEncoder(
        "head", ToyEncoder(), AggregationNetwork([7], 128).eval(), "w", cells=6
    )
    (found,) = model.encode([Picture(paint(0), "a")])
    (below,) = ToyEncoder().encode([Picture(paint(0), "a")])
    assert found.values.shape == (128, 12, 12)
    assert found.grid == below.grid
    assert np.isfinite(found.values).all()
