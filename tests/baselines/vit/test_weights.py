"""Where DINO's and DINOv3's weights come from, and what is said where they cannot be read."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from frozen_vits import made, offline, upstream_state
from pictures import picture
from safetensors.torch import load_file, save_file

from kapbench.errors import KapbenchError
from kapbench.loading import load_model

SMALL = {
    "dino": ("dino.vits16", "dino_deitsmall16_pretrain.pth"),
    "dinov3": ("dinov3.vits16", "dinov3_vits16_pretrain_lvd1689m-08c60483.pth"),
}
OPTIONS = {"image_px": 64, "layer": 1, "facet": "token"}


def disk(folder, family, **settings):
    net = made(family, 16, 64, **settings)
    net.save_pretrained(folder / "net")
    return net, folder / "net"


def features(name, path):
    return offline(name, path, **OPTIONS).encode([picture(60, 40)])[0].values


def refused(family, path, words, **options):
    with pytest.raises(KapbenchError, match=words) as caught:
        offline(SMALL[family][0], path, **OPTIONS | options)
    assert caught.value.fix
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dino.vits16", {}),
        ("dinov3.vits16", {}),
        ("dinov3.vits16plus", {"use_gated_mlp": True, "hidden_act": "silu"}),
        (
            "dinov3.vits16plus",
            {"use_gated_mlp": True, "hidden_act": "silu", "query_bias": False, "value_bias": False},
        ),
    ],
)
def test_upstreams_own_files_equal_the_hubs_folders(tmp_path, name, settings, ending):
    family = name.partition(".")[0]
    net, folder = disk(tmp_path, family, **settings)
    state = upstream_state(net, family)
    path = tmp_path / f"upstream.{ending}"
    torch.save(state, path) if ending == "pth" else save_file(state, path)
    np.testing.assert_array_equal(features(name, path), features(name, folder))
    np.testing.assert_array_equal(
        features(name, folder / "model.safetensors"), features(name, folder)
    )


def test_dinos_norms_are_upstreams(tmp_path):
    """The hub's configurations say 1e-12 where upstream has 1e-6."""
    _, folder = disk(tmp_path, "dino", layer_norm_eps=1e-12)
    model = offline("dino.vits16", folder, **OPTIONS)
    norms = [m for m in model._net.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-6}


def test_a_folder_with_a_bin_is_read_as_tensors_only(tmp_path):
    """DINO's older repositories hold no safetensors."""
    _, folder = disk(tmp_path, "dino")
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_bytes((folder / "config.json").read_bytes())
    state = load_file(folder / "model.safetensors")
    torch.save(state, old / "pytorch_model.bin")
    np.testing.assert_array_equal(features("dino.vits16", old), features("dino.vits16", folder))
    torch.save({**state, "more": torch.nn.Linear(2, 2)}, old / "pytorch_model.bin")
    refused("dino", old, "weights cannot be loaded")


@pytest.mark.parametrize("family", SMALL)
def test_files_that_are_no_weights(tmp_path, family):
    refused(family, tmp_path / "nowhere", "The weights do not exist")
    torch.save({"net": torch.nn.Linear(2, 2)}, tmp_path / "objects.pth")
    refused(family, tmp_path / "objects.pth", "not a plain dictionary of tensors")
    torch.save({"teacher": {}, "epoch": 3}, tmp_path / "checkpoint.pth")
    refused(family, tmp_path / "checkpoint.pth", "not a plain dictionary of tensors")
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    said = refused(family, tmp_path / "other.safetensors", "tensor cls_token is missing")
    assert SMALL[family][1] in said


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_is_told_once(tmp_path, protocol):
    """torch warns of protocols other than 2 before it fails; warnings are errors here."""
    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps({"epoch": [1, 2]}, protocol=protocol))
    refused("dino", path, "a pickle that torch did not save")


def test_a_file_of_an_older_torch_is_read(tmp_path):
    net, folder = disk(tmp_path, "dino")
    path = tmp_path / "old.pth"
    torch.save(upstream_state(net, "dino"), path, _use_new_zipfile_serialization=False)
    np.testing.assert_array_equal(features("dino.vits16", path), features("dino.vits16", folder))
    path.write_bytes(path.read_bytes()[:5000])
    refused("dino", path, "damaged, or not a plain dictionary of tensors")


@pytest.mark.parametrize("family", SMALL)
def test_half_a_download(tmp_path, family):
    net, folder = disk(tmp_path, family)
    state = upstream_state(net, family)
    torch.save(state, tmp_path / "half.pth")
    save_file(state, tmp_path / "half.safetensors")
    for path in (tmp_path / "half.pth", tmp_path / "half.safetensors"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        refused(family, path, "damaged, or not")
    whole = folder / "model.safetensors"
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "again" in refused(family, folder, "weights cannot be loaded")


@pytest.mark.parametrize("family", SMALL)
def test_missing_tensors_are_not_made_up(tmp_path, family):
    net, folder = disk(tmp_path, family)
    state = upstream_state(net, family)
    del state["blocks.1.attn.proj.weight"]
    save_file(state, tmp_path / "w.safetensors")
    refused(family, tmp_path / "w.safetensors", "1 tensors are missing")
    kept = load_file(folder / "model.safetensors")
    kept.pop(next(name for name in kept if "k_proj" in name or ".key." in name))
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    refused(family, folder, "tensors are missing")


def test_weights_of_another_model(tmp_path):
    _, dino = disk(tmp_path / "a", "dino")
    _, three = disk(tmp_path / "b", "dinov3")
    refused("dino", three, "weights of a dinov3_vit model, not of vit")
    refused("dinov3", dino, "weights of a vit model, not of dinov3_vit")
    for name, path, words in (
        ("dino.vits8", dino, "a patch of 16 px; dino.vits8 has 8"),
        ("dino.vitb16", dino, "384 channels; dino.vitb16 has 768"),
        ("dinov3.vits16plus", three, "use_gated_mlp=False; dinov3.vits16plus has True"),
        ("dinov3.vitl16", three, "384 channels; dinov3.vitl16 has 1024"),
    ):
        with pytest.raises(KapbenchError, match=words):
            offline(name, path, **OPTIONS)


def test_a_damaged_configuration(tmp_path):
    _, folder = disk(tmp_path, "dino")
    (folder / "config.json").write_text("[1]")
    with pytest.raises(KapbenchError, match="not a model's configuration"):
        offline("dino.vits16", folder)
    (folder / "config.json").unlink()
    refused("dino", folder, "not hold a model in transformers' format")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "dino.vitb8",
            (
                "facebook/dino-vitb8",
                "dino_vitbase8_pretrain.pth",
                "Apache-2.0",
                "-o weights=",
                "model.safetensors",
            ),
        ),
        (
            "dinov2.vitb14reg",
            (
                "facebook/dinov2-with-registers-base",
                "dinov2_vitb14_reg4_pretrain.pth",
                "Apache-2.0",
            ),
        ),
        (
            "dinov3.vitl16",
            (
                "facebook/dinov3-vitl16-pretrain-lvd1689m",
                "accept the licence",
                "hf auth login",
                "dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd.pth",
                "DINOv3 License",
            ),
        ),
    ],
)
def test_without_a_network(name, words, monkeypatch):
    """The libraries' own offline switch: what is said, and that nothing is waited for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(KapbenchError, match="weights cannot be loaded") as caught:
        load_model(name, device="cpu")
    for word in (*words, "sha256", "Run without --offline"):
        assert word in str(caught.value)
    assert "connection" not in str(caught.value)


def test_a_gated_repository(monkeypatch):
    import transformers

    def refuse(*_, **__):
        raise OSError("You are trying to access a gated repo.\nMake sure to have access to it")

    monkeypatch.setattr(transformers.DINOv3ViTModel, "from_pretrained", refuse)
    with pytest.raises(KapbenchError, match="gated repo") as caught:
        load_model("dinov3.vits16", device="cpu")
    assert "accept the licence at https://huggingface.co/facebook/dinov3-vits16" in caught.value.fix


@pytest.mark.slow
@pytest.mark.parametrize("binary", [False, True])
def test_the_hubs_cache_is_read_without_a_network(tmp_path, binary):
    """In the cache's own layout, as a download leaves it."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    _, folder = disk(tmp_path, "dino")
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]})
    )
    if binary:
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    kept = tmp_path / "hf" / "hub" / "models--facebook--dino-vits16"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    (kept / "snapshots").mkdir()
    folder.rename(kept / "snapshots" / commit)
    names = ["dino.vits16"] + ["hf:facebook/dino-vits16"] * (not binary)
    code = (
        "from kapbench.loading import load_model\n"
        f"for n in {names}:\n"
        "    print(load_model(n, device='cpu', image_px=64, layer=1).revision)"
    )
    env = os.environ | {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ends = [line.split("-", 1)[1] for line in done.stdout.split()]
    assert ends[0] == "64px-layer1-key-stride8"
    assert len(ends) == len(names)


@pytest.mark.parametrize("name", ["dino.vits16", "dinov2.vitb14", "sam.vitb16", "dift"])
def test_without_the_packages_that_read_the_hub(name, monkeypatch):
    for package in ("huggingface_hub", "transformers", "diffusers"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(KapbenchError, match="is not installed") as caught:
        load_model(name, device="cpu")
    assert "pip install 'kapbench[" in caught.value.fix
