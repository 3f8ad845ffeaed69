"""Against facebookresearch/dinov2, written again in upstream_dinov2.py from its definition."""

import json

import numpy as np
import pytest
import torch
from pictures import picture
from safetensors.torch import save_file
from torch.nn.functional import interpolate
from upstream_dinov2 import positions, prenorm_tokens, weights

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.letterbox import letterboxed
from kapbench.types import Picture
from kapbench_baselines.vit import weights as loading

transformers = pytest.importorskip("transformers", reason="needs the extra hf")
WIDTH = 384  # of vits14; the depth is what is tiny


def saved(folder, *, registers=False, seed=0, width=WIDTH):
    """A random model of the right architecture on disk, in transformers' format."""
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=width, num_hidden_layers=2, num_attention_heads=6, image_size=518, patch_size=14
    )
    model = getattr(transformers, f"{kind}Model")(config).eval()
    with torch.no_grad():
        model.embeddings.position_embeddings.normal_()
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return folder, saved(folder)


def prepared(shown, side):
    """Letterboxed and normalised as ImageNet's statistics say: [1 3 side side]."""
    pixels = torch.tensor(letterboxed(shown, side)).permute(2, 0, 1)[None].float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def offline(name, path, **options):
    return load_model(name, weights=str(path), device="cpu", **options)


@pytest.mark.parametrize("registers", [False, True])
@pytest.mark.parametrize("side", [224, 518, 840])
def test_position_embeddings_follow_upstream(tmp_path, registers, side):
    """840 px stands in every table; at 224 px an antialiased resize differs from a plain one."""
    n, reg = side // 14, "reg" * registers
    state = weights(WIDTH, registers=4 * registers)
    save_file(state, tmp_path / "w.safetensors")
    model = offline(f"dinov2.vits14{reg}", tmp_path / "w.safetensors", image_px=side)
    zeros = torch.zeros(1, 1 + n * n, WIDTH)
    found = model._net.embeddings.interpolate_pos_encoding(zeros, side, side)
    expected = positions(state["pos_embed"], n, like_registers=registers)
    np.testing.assert_allclose(found.detach(), expected, atol=2e-4)


@pytest.mark.parametrize("n", [16, 60])
def test_the_reference_table_is_resized_as_upstream_calls_torch(n):
    """Upstream: scale_factor=(n + 0.1) / 37, bicubic; with registers size=n, antialiased."""
    table = weights(WIDTH)["pos_embed"]
    grid = table[:, 1:].reshape(1, 37, 37, WIDTH).permute(0, 3, 1, 2)
    plain = interpolate(grid, scale_factor=((n + 0.1) / 37,) * 2, mode="bicubic")
    smooth = interpolate(grid, size=(n, n), mode="bicubic", antialias=True)
    for resized, registers in ((plain, False), (smooth, True)):
        expected = resized.permute(0, 2, 3, 1).reshape(1, n * n, WIDTH)
        found = positions(table, n, like_registers=registers)[:, 1:]
        np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize(
    ("tag", "width", "registers"), [("vits14", 384, 0), ("vits14reg", 384, 4), ("vitg14", 1536, 0)]
)
def test_upstreams_own_files_give_upstreams_tokens(tmp_path, tag, width, registers, ending):
    state = weights(width, depth=2, registers=registers, swiglu=tag == "vitg14")
    path = tmp_path / f"dinov2.{ending}"
    torch.save(state, path) if ending == "pth" else save_file(state, path)
    shown = picture(90, 60)
    found = offline(f"dinov2.{tag}", path, image_px=112).encode([shown])[0].values
    with torch.inference_mode():
        expected = prenorm_tokens(state, prepared(shown, 112))[0].T.view(width, 8, 8)
    # Sums of up to 1,536 products in another order.
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("registers", [False, True])
def test_tokens_are_the_last_blocks_output_before_the_norm(tmp_path, registers):
    net = saved(tmp_path, registers=registers)
    model = offline("dinov2.vits14" + "reg" * registers, tmp_path, image_px=224)
    shown = picture(90, 60)
    found = model.encode([shown])[0].values
    if not registers:
        net.embeddings.interpolate_pos_encoding = model._net.embeddings.interpolate_pos_encoding
    with torch.inference_mode():
        out = net(pixel_values=prepared(shown, 224), output_hidden_states=True)
        normed = net.layernorm(out.hidden_states[-1])
        assert torch.allclose(normed, out.last_hidden_state, atol=1e-5)
    expected = out.hidden_states[-1][0, 5 if registers else 1 :].T.reshape(WIDTH, 16, 16)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_layers_are_counted_from_the_embeddings(plain):
    shown, folder = [picture(60, 60)], plain[0]
    maps = [
        offline("dinov2.vits14", folder, image_px=56, layer=n).encode(shown)[0].values
        for n in (0, 1, 2, -1)
    ]
    np.testing.assert_array_equal(maps[2], maps[3])
    assert not np.allclose(maps[0], maps[1])
    assert not np.allclose(maps[1], maps[2])


def test_a_file_equals_its_folder(plain):
    folder, _ = plain
    shown = [picture(60, 40)]
    one = offline("dinov2.vits14", folder, image_px=56).encode(shown)[0].values
    two = offline("dinov2.vits14", folder / "model.safetensors", image_px=56).encode(shown)
    np.testing.assert_array_equal(one, two[0].values)


def test_half_precision_weights_are_read_in_full(plain, tmp_path):
    transformers.Dinov2Model.from_pretrained(plain[0], dtype=torch.float16).save_pretrained(
        tmp_path
    )
    model = offline("dinov2.vits14", tmp_path, image_px=56)
    assert model._net.dtype == torch.float32
    assert np.isfinite(model.encode([picture(60, 40)])[0].values).all()


def test_revision_follows_weights_and_options(plain, tmp_path):
    folder, _ = plain
    saved(tmp_path, seed=1)
    given = [
        offline("dinov2.vits14", path, **options).revision
        for path, options in (
            (folder, {}),
            (tmp_path, {}),
            (folder, {"image_px": 224}),
            (folder, {"layer": 1}),
        )
    ]
    assert len(set(given)) == 4
    assert offline("dinov2.vits14", folder).revision == given[0]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("dinov2.vits14reg", {}, "dinov2 model, not of dinov2_with_registers"),
        ("dinov2.vitb14", {}, "The weights have 384 channels; dinov2.vitb14 has 768"),
        ("dinov2.vits14", {"image_px": 500}, "not a multiple of the patch"),
        ("dinov2.vits14", {"image_px": 0}, "not a multiple of the patch"),
        ("dinov2.vits14", {"layer": 7}, "no layer 7"),
        ("dinov2.vits14", {"leyer": 1}, "Unknown option 'leyer'"),
    ],
)
def test_errors_name_thing_and_fix(plain, name, options, words):
    with pytest.raises(KapbenchError, match=words) as caught:
        offline(name, plain[0], **options)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("dino.vits8", {"stride": 3}, "Stride 3 does not divide"),
        ("dinov2.vitb14", {"stride": 5}, "Stride 5 does not divide"),
        ("dinov3.vits16", {"image_px": 900}, "not a multiple of the patch"),
        ("sd.v15", {"blocks": "up7"}, "no block 'up7'"),
        ("sd.v15", {"blocks": "up1.5"}, "no block 'up1.5'"),
        ("sd_dino", {"dino_px": 841}, "not a multiple of the patch"),
    ],
)
def test_options_are_judged_before_weights_are_looked_for(name, options, words):
    with pytest.raises(KapbenchError, match=words):
        load_model(name, device="cpu", weights="nowhere", **options)


def test_a_pickle_is_not_opened(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(KapbenchError, match="not hold a model in transformers' format"):
        offline("dinov2.vits14", tmp_path)


def refused(path, words, name="dinov2.vits14"):
    with pytest.raises(KapbenchError, match=words) as caught:
        offline(name, path)
    assert caught.value.fix
    assert str(path) in str(caught.value)


def test_files_that_are_no_weights(tmp_path):
    refused(tmp_path / "nowhere", "The weights do not exist")
    torch.save({"net": torch.nn.Linear(2, 2)}, tmp_path / "objects.pth")
    refused(tmp_path / "objects.pth", "not a plain dictionary of tensors")
    torch.save({"epoch": 3}, tmp_path / "checkpoint.pth")
    refused(tmp_path / "checkpoint.pth", "not a plain dictionary of tensors")
    for name in ("half.pth", "half.safetensors"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 cut off")
        refused(tmp_path / name, "damaged, or not")
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", "not weights of DINOv2: tensor cls_token is missing")
    save_file(weights(WIDTH, registers=4), tmp_path / "reg.safetensors")
    refused(tmp_path / "reg.safetensors", "dinov2_with_registers model, not of dinov2")


def test_missing_tensors_are_not_made_up(tmp_path):
    """transformers would fill them with random numbers and say so in a warning."""
    state = weights(WIDTH, depth=2)
    del state["blocks.1.attn.proj.weight"]
    save_file(state, tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", "1 tensors are missing")


def test_a_damaged_configuration(plain, tmp_path):
    (tmp_path / "model.safetensors").write_bytes((plain[0] / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(KapbenchError, match="The file is not JSON"):
        offline("dinov2.vits14", tmp_path)
    config = json.loads((plain[0] / "config.json").read_text()) | {"hidden_size": 192}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(KapbenchError, match="weights cannot be loaded"):
        offline("dinov2.vits14", tmp_path)


def test_the_hub_out_of_reach(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("We couldn't connect to 'https://huggingface.co'\nmore lines")

    monkeypatch.setattr(transformers.Dinov2Model, "from_pretrained", unreachable)
    with pytest.raises(KapbenchError, match="couldn't connect") as caught:
        load_model("dinov2.vitl14", device="cpu")
    assert caught.value.place == "facebook/dinov2-large"
    assert "-o weights=" in caught.value.fix


def test_hub_names_and_a_revision_without_commit(monkeypatch, plain):
    asked = []
    real = transformers.Dinov2Model.from_pretrained

    def from_hub(name, **options):
        asked.append(name)
        return real(plain[0], **options)

    monkeypatch.setattr(transformers.Dinov2Model, "from_pretrained", from_hub)
    one = load_model("dinov2.vits14", device="cpu", image_px=56)
    assert asked == ["facebook/dinov2-small"]
    digest = loading.state_hash(one._net)[:12]
    assert one.revision == f"{digest}-56px-layer-1"


def test_padding_is_black_before_normalisation(plain):
    """What lies beyond the image must not depend on it, and is normalised black."""
    model = offline("dinov2.vits14", plain[0], image_px=56)
    seen = []
    model.tokens = lambda images: seen.append(images) or torch.zeros(1, 16, WIDTH)
    model.encode([Picture(np.full((20, 80, 3), 255, np.uint8), "thing/wide")])
    frame = seen[0][0].permute(1, 2, 0)
    assert frame.shape == (56, 56, 3)
    assert (frame[:20] == 0).all()
    assert (frame[22:34] == 255).all()
    assert (frame[36:] == 0).all()
