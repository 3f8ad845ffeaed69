"""The released checkpoint's layout, by the names and shapes of its tensors."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_vits import tiny_dinov2

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench_baselines.sphere import checkpoint, released
from kapbench_baselines.vit import frozen_vit

LAYOUT = json.loads(Path(__file__).with_name("released_layout.json").read_text())["tensors"]
HERE = Path("released.pth")


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    found = {k: torch.randn(*shape, generator=generator) / 20 for k, shape in LAYOUT.items()}
    for name in [n for n in found if n.startswith("prototypes.blocks.0.")]:
        found[name.replace("blocks.0", "blocks.1")] = found[name]  # one block, saved twice
    return found


@pytest.fixture
def file(tensors, tmp_path):
    path = tmp_path / "sphere.pth"
    torch.save(tensors, path)
    return path


def test_the_papers_settings_make_the_released_mapper():
    """Every tensor of the mapper, by name and shape, and no other but the input's mean and scale."""
    from kapbench_baselines.sphere.mapper import SphereMapper
    from kapbench_baselines.sphere.settings import named

    paper = named("paper")
    ours = SphereMapper(768, paper.width, paper.heads, paper.depth).state_dict()
    mapper = {k: v for k, v in LAYOUT.items() if k.startswith("sphere_mapper.")}
    assert {k: list(v.shape) for k, v in ours.items() if not k.startswith("input_")} == mapper


@pytest.mark.parametrize(
    ("name", "wrap"),
    [("sphere.PTH", dict), ("sphere.Pt", dict), ("s.pth", lambda t: {"state_dict": t, "epoch": 3})],
)
def test_a_suffix_in_capitals_and_a_wrapped_state(tensors, tmp_path, name, wrap):
    torch.save(wrap(tensors), tmp_path / name)
    mapper, card, _ = checkpoint.load(tmp_path / name)
    assert (card.backbone, card.shape["token_grid"]) == ("dinov2.vitb14", 60)
    assert torch.equal(mapper.sphere_mapper[0].weight, tensors["sphere_mapper.0.weight"])


def test_without_dinov2_the_advice_is_an_option_that_is_free(file, monkeypatch):
    """`-o weights` is the mapper's own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    lost = KapbenchError("no such repository", fix="give the folder or file by -o weights=PATH")

    def refuse(*_, **__):
        raise lost

    monkeypatch.setattr(frozen_vit, "load", refuse)
    with pytest.raises(KapbenchError, match="no such repository") as caught:
        load_model("sphere", device="cpu", weights=str(file))
    assert caught.value.fix == "give the folder or file by -o backbone_weights=PATH"


def test_the_docs_list_every_tensor_of_the_layout():
    docs = (Path(__file__).parents[3] / "docs" / "sphere.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| ([\d, ]+) \|", docs, re.MULTILINE)
    assert {k: [int(n) for n in v.split(",")] for k, v in rows} == LAYOUT


def test_it_runs_over_dinov2_b(file, tensors, tmp_path):
    from pictures import picture

    dino = str(tiny_dinov2(tmp_path, "dinov2.vitb14"))
    model = load_model(
        "sphere", device="cpu", weights=str(file), backbone_weights=dino, dataset="spair"
    )
    assert (model.name, model.sphere_weight) == ("sphere.dinov2.vitb14", 0.2)
    shown = picture(64, 48)
    [found] = model.encode([shown])
    assert found.values.shape == (768 + 3, 60, 60)
    [tokens] = load_model("dinov2.vitb14", device="cpu", weights=dino).encode([shown])
    # Raw tokens as they are kept, no standardising.
    x = torch.from_numpy(tokens.values).half().float().flatten(1).T[None]
    with torch.no_grad():
        points = released.mapper(tensors, HERE)(x)[0].T
    np.testing.assert_allclose(found.values[768:].reshape(3, -1), points * 0.2**0.5, atol=1e-5)


def test_the_mapper_against_torchs_own_block(tensors):
    """torch.nn's pre-norm encoder layer, given the released tensors."""
    width = 384
    layer = torch.nn.TransformerEncoderLayer(
        width, 6, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    block = {k[16:]: v for k, v in tensors.items() if k.startswith("sphere_mapper.2.")}
    layer.load_state_dict(
        {
            "self_attn.in_proj_weight": block["attn.qkv.weight"],
            "self_attn.in_proj_bias": torch.zeros(3 * width),
            **{f"self_attn.out_proj.{k}": block[f"attn.proj.{k}"] for k in ("weight", "bias")},
            **{
                f"linear{i}.{k}": block[f"mlp.fc{i}.{k}"]
                for i in (1, 2)
                for k in ("weight", "bias")
            },
            **{f"norm{i}.{k}": block[f"norm{i}.{k}"] for i in (1, 2) for k in ("weight", "bias")},
        }
    )
    x = torch.randn(2, 9, 768, generator=torch.Generator().manual_seed(1))
    first, last = ([tensors[f"sphere_mapper.{i}.{k}"] for k in ("weight", "bias")] for i in (0, 3))
    with torch.no_grad():
        hidden = layer(torch.nn.functional.gelu(torch.nn.functional.linear(x, *first)))
        expected = torch.nn.functional.normalize(torch.nn.functional.linear(hidden, *last), dim=-1)
        found = released.mapper(tensors, HERE)(x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_prototypes_decode_for_all_eighteen_categories(tensors):
    decoder = released.decoder(tensors, HERE)
    assert decoder.n_categories == 18
    with torch.no_grad():
        found = decoder(torch.randn(2, 5, 3), torch.tensor([0, 17]))
    assert found.shape == (2, 5, 768)
    used = sum(v.numel() for v in decoder.state_dict().values())
    unused = ("attn.q.", "attn.k.", "norm1.")
    block = {
        k: v for k, v in tensors.items() if k.startswith(("prototypes.proj", "prototypes.blocks.0"))
    }
    assert used == sum(v.numel() for k, v in block.items() if not any(u in k for u in unused))


@pytest.mark.parametrize("lost", ["sphere_mapper.3.bias", "sphere_mapper.2.attn.qkv.weight"])
def test_a_tensor_that_is_missing(tensors, lost):
    del tensors[lost]
    with pytest.raises(KapbenchError, match=lost):
        released.mapper(tensors, HERE)


def test_a_tensor_of_another_shape_or_name(tensors):
    with pytest.raises(KapbenchError, match="tensor 'other'"):
        released.mapper({**tensors, "other": torch.zeros(1)}, HERE)
    tensors["sphere_mapper.3.bias"] = torch.zeros(4)
    with pytest.raises(KapbenchError, match=r"sphere_mapper\.3\.bias"):
        released.mapper(tensors, HERE)
    del tensors["prototypes.proj.weight"]
    with pytest.raises(KapbenchError, match="prototypes"):
        released.decoder(tensors, HERE)


def test_a_backbone_of_another_width(file, tmp_path):
    with pytest.raises(KapbenchError, match="not for 'lite0'"):
        load_model("sphere", device="cpu", weights=str(file), backbone="lite0")


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(KapbenchError, match="The weights have no card"):
        load_model("sphere", device="cpu", weights=str(path))
    torch.save({"a": object}, path)
    with pytest.raises(KapbenchError, match="damaged, or not a plain"):
        load_model("sphere", device="cpu", weights=str(path))


def test_gsas_mapper_is_read_on_normed_tokens_at_518_px(file, tmp_path, monkeypatch):
    """BGU-CS-VIL/GSA's file has the same layout, so that its content alone tells it."""
    import subprocess

    from pictures import picture

    dino = str(tiny_dinov2(tmp_path, "dinov2.vitb14"))
    given = {"weights": str(file), "backbone_weights": dino, "device": "cpu"}
    asked = load_model("sphere", normed=True, image_px=518, **given)
    done = subprocess.run(["git", "hash-object", file], check=True, capture_output=True, text=True)
    monkeypatch.setattr(released, "GSA_BLOB", done.stdout.strip())
    known = load_model("sphere", **given)
    assert known.backbone.options == {**known.backbone.options, "normed": True, "image_px": 518}
    assert (known.revision, known.options) == (asked.revision, {})
    assert asked.options == {"normed": True, "image_px": 518}
    shown = picture(64, 48)
    [found] = known.encode([shown])
    assert found.values.shape == (768 + 3, 37, 37)
    plain = load_model("dinov2.vitb14", device="cpu", weights=dino, normed=True, image_px=518)
    tokens = torch.tensor(plain.encode([shown])[0].values).half().float().flatten(1).T[None]
    points = known.mapper(tokens)[0].T.reshape(3, 37, 37).detach().numpy()
    np.testing.assert_allclose(found.values[768:], points * 0.2**0.5, atol=1e-5)
    assert (
        load_model("sphere", normed=False, image_px=840, **given).backbone.options["image_px"]
        == 840
    )
