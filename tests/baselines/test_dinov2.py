"""Against the rule of facebookresearch/dinov2, written again here from its definition."""

import math

import numpy as np
import pytest
import torch
from pictures import picture

from kapbench.errors import KapbenchError
from kapbench.evaluation import load_model
from kapbench_baselines.letterboxed import letterboxed

transformers = pytest.importorskip("transformers", reason="needs the extra hf")
WIDTH = 24


def saved(folder, *, registers=False, seed=0):
    """A random model of the right architecture on disk."""
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=3, image_size=518, patch_size=14
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


def cubic(t):
    """Keys' kernel with a = -0.75."""
    t, a = abs(t), -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def upstream_axis(n_in, n_out):
    """[n_out, n_in] weights: output i samples (i + 0.5) · n_in / (n_out + 0.1) − 0.5."""
    weights = np.zeros((n_out, n_in))
    for i in range(n_out):
        place = (i + 0.5) * n_in / (n_out + 0.1) - 0.5
        low = math.floor(place)
        for k in range(low - 1, low + 3):
            weights[i, min(max(k, 0), n_in - 1)] += cubic(place - k)
    return weights


@pytest.mark.parametrize("side", [224, 840])
def test_position_embeddings_follow_upstream(plain, side):
    folder, _ = plain
    model = load_model("dinov2.vits14", weights=str(folder), image_px=side, device="cpu")
    n = side // 14
    embeddings = model._net.embeddings
    table = embeddings.position_embeddings.detach()
    found = embeddings.interpolate_pos_encoding(torch.zeros(1, 1 + n * n, WIDTH), side, side)
    axis = upstream_axis(37, n)
    grid = table[0, 1:].reshape(37, 37, WIDTH).double().numpy()
    expected = np.einsum("ia,jb,abc->ijc", axis, axis, grid).reshape(n * n, WIDTH)
    np.testing.assert_allclose(found[0, 1:].detach().numpy(), expected, atol=2e-4)
    assert torch.equal(found[:, :1], table[:, :1])


@pytest.mark.parametrize("registers", [False, True])
def test_tokens_are_the_last_blocks_output_before_the_norm(tmp_path, registers):
    net = saved(tmp_path, registers=registers)
    tag = "dinov2.vits14reg" if registers else "dinov2.vits14"
    model = load_model(tag, weights=str(tmp_path), image_px=224, device="cpu")
    shown = picture(90, 60)
    found = model.encode([shown])[0].values
    pixels = torch.tensor(letterboxed(shown, 224)).permute(2, 0, 1)[None].float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = (pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    if not registers:
        net.embeddings.interpolate_pos_encoding = model._net.embeddings.interpolate_pos_encoding
    with torch.inference_mode():
        out = net(pixel_values=pixels, output_hidden_states=True)
        assert torch.allclose(
            net.layernorm(out.hidden_states[-1]), out.last_hidden_state, atol=1e-5
        )
    skip = 5 if registers else 1
    expected = out.hidden_states[-1][0, skip:].T.reshape(WIDTH, 16, 16)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_revision_follows_weights_and_options(plain, tmp_path):
    folder, _ = plain
    saved(tmp_path, seed=1)
    given = [
        load_model("dinov2.vits14", weights=str(f), device="cpu", **options).revision
        for f, options in (
            (folder, {}), (tmp_path, {}), (folder, {"image_px": 224}), (folder, {"layer": 1}),
        )
    ]  # fmt: skip
    assert len(set(given)) == 4


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("dinov2.vits14reg", {}, "dinov2 model where dinov2_with_registers"),
        ("dinov2.vits14", {"image_px": 500}, "no multiple of the patch"),
        ("dinov2.vits14", {"layer": 7}, "no layer 7"),
        ("dinov2.vits14", {"leyer": 1}, "unknown option 'leyer'"),
    ],
)
def test_errors_name_thing_and_fix(plain, name, options, words):
    with pytest.raises(KapbenchError, match=words) as caught:
        load_model(name, weights=str(plain[0]), device="cpu", **options)
    assert caught.value.fix


def test_a_pickle_is_not_opened(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(KapbenchError, match="no model in transformers' format"):
        load_model("dinov2.vits14", weights=str(tmp_path), device="cpu")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(KapbenchError, match=r"no model in transformers' format[\s\S]*nowhere"):
        load_model("dinov2.vitb14", weights=str(tmp_path / "nowhere"), device="cpu")
