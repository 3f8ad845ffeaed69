"""`timm:` against timm's own forward; skipped where timm or its torchvision cannot be imported."""

import sys

import numpy as np
import pytest
import torch
from importing import imported_timm as imported
from pictures import picture
from safetensors.torch import save_file

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.letterbox import letterboxed


@pytest.fixture(scope="module")
def timm():
    return imported()


def saved(timm, folder, name):
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=0).eval()
    save_file(net.state_dict(), folder / "w.safetensors")
    return net


def offline(name, folder, **options):
    weights = str(folder / "w.safetensors")
    return load_model(f"timm:{name}", weights=weights, device="cpu", **options)


def prepared(net, shown, side):
    pixels = torch.tensor(letterboxed(shown, side)).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(net.pretrained_cfg[k]).view(3, 1, 1) for k in ("mean", "std"))
    return (pixels - mean) / std


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "resnet18"])
def test_features_are_timms_own(timm, tmp_path, name):
    net = saved(timm, tmp_path, name)
    shown = picture(60, 40)
    model = offline(name, tmp_path)
    with torch.inference_mode():
        maps = net.forward_intermediates(
            prepared(net, shown, model.image_px), norm=False, intermediates_only=True
        )
    for layer, expected in ((-1, maps[-1]), (1, maps[0])):
        found = offline(name, tmp_path, layer=layer).encode([shown])[0].values
        np.testing.assert_allclose(found, expected[0], atol=1e-5)


@pytest.mark.parametrize(("facet", "third"), [("query", 0), ("key", 1), ("value", 2)])
def test_facets_are_what_the_projection_returns(timm, tmp_path, facet, third):
    net = saved(timm, tmp_path, "vit_tiny_patch16_224")
    shown, seen = picture(60, 40), []
    net.blocks[1].attn.qkv.register_forward_hook(lambda _m, _i, out: seen.append(out))
    with torch.inference_mode():
        net.forward_features(prepared(net, shown, 224))
    found = offline("vit_tiny_patch16_224", tmp_path, layer=1, facet=facet).encode([shown])[0]
    expected = seen[0].chunk(3, dim=-1)[third][0, 1:].T
    np.testing.assert_allclose(found.values.reshape(192, -1), expected, atol=1e-5)


def test_other_sizes(timm, tmp_path):
    saved(timm, tmp_path, "vit_tiny_patch16_224")
    model = offline("vit_tiny_patch16_224", tmp_path, image_px=448)
    assert model.encode([picture(60, 40)])[0].values.shape == (192, 28, 28)
    with pytest.raises(KapbenchError, match="450 px"):
        offline("vit_tiny_patch16_224", tmp_path, image_px=450).encode([picture(60, 40)])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("no_such_net", {}, "no such model"),
        ("resnet10t", {"facet": "key"}, "A ResNet has no joined query, key and value"),
        ("eva02_tiny_patch14_224", {"facet": "key"}, "no joined query"),
        ("vit_tiny_patch16_224", {"layer": 0}, "no layer 0"),
        ("vit_tiny_patch16_224", {"normed": True, "facet": "key"}, "one of tokens, not of the key"),
        ("resnet10t", {"normed": True}, "ResNet has no norm behind its last block"),
        ("vit_tiny_patch16_224", {"layer": 12, "facet": "key"}, "no layer 12"),
    ],
)
def test_options_that_do_not_fit(timm, tmp_path, name, options, words):
    if timm.is_model(name):
        saved(timm, tmp_path, name)
    with pytest.raises(KapbenchError, match=words) as caught:
        offline(name, tmp_path, **options)
    assert caught.value.fix


def test_weights_that_cannot_be_read(timm, tmp_path):
    saved(timm, tmp_path, "resnet10t")
    with pytest.raises(KapbenchError, match="tensors are missing"):
        offline("vit_tiny_patch16_224", tmp_path)
    path = tmp_path / "w.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(KapbenchError, match="damaged, or not"):
        offline("resnet10t", tmp_path)
    path.unlink()
    with pytest.raises(KapbenchError, match="The weights do not exist"):
        offline("resnet10t", tmp_path)


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(KapbenchError, match="timm cannot be imported") as caught:
        load_model("timm:resnet10t", device="cpu")
    assert "kapbench[timm]" in caught.value.fix
