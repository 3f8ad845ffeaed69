"""`hf:` against each architecture's own forward in transformers, on random weights."""

import json

import numpy as np
import pytest
import torch
from pictures import picture

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.letterbox import letterboxed
from kapbench.types import Grid

transformers = pytest.importorskip("transformers", reason="needs the extra hf")
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
SQUARE = SMALL | {"image_size": 32, "patch_size": 8}
STAGES = {"depths": [1, 1, 2, 1], "hidden_sizes": [8, 16, 24, 32]}
# name -> class, configuration, tokens before the patches; None: a feature map
FAMILIES = {
    "ViT": ("ViTModel", SQUARE, 1),
    "DINOv2": ("Dinov2Model", SMALL | {"image_size": 56, "patch_size": 14}, 1),
    "DINOv3": (
        "DINOv3ViTModel",
        SMALL | {"image_size": 32, "patch_size": 16, "num_register_tokens": 4},
        5,
    ),
    "CLIP": ("CLIPVisionModel", SQUARE, 1),
    "SigLIP": ("SiglipVisionModel", SQUARE, 0),
    "DeiT": ("DeiTModel", SQUARE, 2),
    "BEiT": ("BeitModel", SQUARE, 1),
    "ConvNeXt": ("ConvNextModel", STAGES, None),
    "ResNet": ("ResNetModel", STAGES | {"embedding_size": 8}, None),
    "Swin": ("SwinModel", {"embed_dim": 12, "depths": [1, 1], "num_heads": [1, 2]}, None),
}
PIXELS = {
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.3, 0.25],
    "size": {"height": 64, "width": 64},
}


def saved(folder, name, config, said=PIXELS, **arguments):
    torch.manual_seed(0)
    kind = getattr(transformers, name)
    net = kind(kind.config_class(**config), **arguments).eval()
    with torch.no_grad():
        for value in net.parameters():
            value.add_(0.05 * torch.randn_like(value))
    net.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return net


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    kept = {}

    def get(family):
        if family not in kept:
            folder = tmp_path_factory.mktemp("hf") / family
            kept[family] = folder, saved(folder, *FAMILIES[family][:2])
        return kept[family]

    return get


def offline(folder, **options):
    return load_model(f"hf:{folder}", device="cpu", **options)


def prepared(shown, side, said=PIXELS):
    pixels = torch.tensor(letterboxed(shown, side)).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(said[k]).view(3, 1, 1) for k in ("image_mean", "image_std"))
    return (pixels - mean) / std


def own(net, pixels, layer):
    """The network's own hidden states; those that windows flatten in their own reshaped form."""
    with torch.inference_mode():
        try:
            out = net(pixels, output_hidden_states=True, interpolate_pos_encoding=True)
        except TypeError:
            out = net(pixels, output_hidden_states=True)
    return (out.get("reshaped_hidden_states") or out.hidden_states)[layer]


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_the_networks_own(disk, family):
    folder, net = disk(family)
    leading = FAMILIES[family][2]
    shown = picture(60, 40)
    for options in ({}, {"layer": 1}, {"layer": 0, "image_px": 224}):
        model = offline(folder, **options)
        assert model.name == f"hf:{family}"
        side, layer = model.image_px, options.get("layer", -1)
        expected = own(net, prepared(shown, side), layer)
        if leading is not None:
            n = side // net.config.patch_size
            expected = expected[:, leading:].transpose(1, 2).reshape(1, -1, n, n)
        found = model.encode([shown])[0]
        np.testing.assert_allclose(found.values, expected[0], atol=1e-5)
        assert found.grid == Grid.letterbox((60, 40), expected.shape[-1], side)


@pytest.mark.parametrize("facet", ["query", "key", "value"])
@pytest.mark.parametrize("family", [name for name, (*_, n) in FAMILIES.items() if n is not None])
def test_facets_are_what_the_projections_return(disk, family, facet):
    folder, net = disk(family)
    seen = []
    named = [m for n, m in net.named_modules() if n.endswith((f".{facet}", f".{facet[0]}_proj"))]
    assert len(named) == 3  # one a block
    hook = named[1].register_forward_hook(lambda _m, _i, out: seen.append(out))
    shown = picture(60, 40)
    model = offline(folder, layer=1, facet=facet)
    own(net, prepared(shown, model.image_px), -1)
    hook.remove()
    expected = seen[0][0, FAMILIES[family][2] :].T
    found = model.encode([shown])[0].values.reshape(32, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_models_of_images_and_texts_are_read_by_their_half_that_sees(tmp_path, kind):
    text = SMALL | {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
    net = saved(tmp_path, f"{kind}Model", {"text_config": text, "vision_config": SQUARE})
    shown = picture(60, 40)
    found = offline(tmp_path).encode([shown])[0].values.reshape(32, -1)
    expected = own(net.vision_model, prepared(shown, 32), -1)[0, kind == "CLIP" :].T
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_heads_of_other_tasks_may_be_missing_and_blocks_may_not(tmp_path):
    """A classifier has no pooler, of which no feature is made."""
    from safetensors.torch import load_file, save_file

    net = saved(tmp_path, "ViTForImageClassification", SQUARE)
    shown = picture(60, 40)
    expected = own(net.vit, prepared(shown, 32), -1)[0, 1:].T
    found = offline(tmp_path).encode([shown])[0].values.reshape(32, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    path = tmp_path / "model.safetensors"
    state = load_file(path)
    state.pop(next(name for name in state if "layernorm_after.weight" in name))
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(KapbenchError, match="1 tensors are missing"):
        offline(tmp_path)


@pytest.mark.parametrize(
    ("said", "factor", "mean", "std"),
    [
        (
            {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5] * 3},
            1 / 255,
            [0.1, 0.2, 0.3],
            [0.5] * 3,
        ),
        ({"image_mean": 0.5, "image_std": 0.5}, 1 / 255, [0.5] * 3, [0.5] * 3),
        ({"do_normalize": False}, 1 / 255, [0.0] * 3, [1.0] * 3),
        ({"do_normalize": False, "do_rescale": False}, 1.0, [0.0] * 3, [1.0] * 3),
        (
            {"image_processor": {"do_normalize": False, "rescale_factor": 1 / 127.5}},
            1 / 127.5,
            [0.0] * 3,
            [1.0] * 3,
        ),
    ],
)
def test_pixels_are_normalised_as_the_processor_says(tmp_path, said, factor, mean, std):
    net = saved(tmp_path, "ViTModel", SQUARE, said)
    shown = picture(32, 32)
    pixels = torch.tensor(letterboxed(shown, 32)).permute(2, 0, 1)[None] * factor
    pixels = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    expected = own(net, pixels, 0)[0, 1:].T
    found = offline(tmp_path, layer=0).encode([shown])[0].values.reshape(32, -1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_image_px_is_that_of_the_training(disk):
    """The configuration's, else what the processor resizes to, else 224."""
    assert offline(disk("ViT")[0]).image_px == 32
    assert offline(disk("ResNet")[0]).image_px == 64


def test_revisions(disk, tmp_path):
    folder = disk("ViT")[0]
    given = [{}, {"layer": 1}, {"facet": "key"}, {"image_px": 64}]
    found = [offline(folder, **o).revision for o in given]
    assert len(set(found)) == len(given)
    saved(tmp_path, "ViTModel", SQUARE, PIXELS | {"image_mean": [0.0] * 3})
    assert offline(tmp_path).revision != found[0]


@pytest.mark.parametrize(
    ("family", "options", "words"),
    [
        ("ViT", {"layer": 4}, "no layer 4: hf:ViT has 3 blocks"),
        ("ViT", {"layer": 3, "facet": "key"}, "no layer 3"),
        ("ConvNeXt", {"layer": 5}, "no layer 5: hf:ConvNeXt has 4 blocks"),
        ("ConvNeXt", {"facet": "key"}, "A ConvNextModel has no separate key projections"),
        ("Swin", {"facet": "value"}, "A SwinModel has no separate value projections"),
        ("ViT", {"image_px": 0}, "image_px is 0"),
        ("ViT", {"stride": 4}, "Unknown option 'stride'"),
    ],
)
def test_options_that_do_not_fit(disk, family, options, words):
    with pytest.raises(KapbenchError, match=words) as caught:
        offline(disk(family)[0], **options)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("family", "side", "words"),
    [
        ("ViT", 36, "36 px is not a multiple of the patch of 8"),
        ("ResNet", 90, "3×3 cells do not tile a square of 90 px"),
        ("Swin", 30, "Images of 30 px cannot be read"),
    ],
)
def test_sizes_that_the_network_cannot_read(disk, family, side, words):
    model = offline(disk(family)[0], image_px=side)
    with pytest.raises(KapbenchError, match=words) as caught:
        model.encode([picture(60, 40)])
    assert caught.value.fix


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        (
            "YolosModel",
            SMALL | {"image_size": [32, 32], "patch_size": 8},
            "117 tokens, not 1 and 4×4",
        ),
        ("Siglip2VisionModel", SMALL | {"patch_size": 8}, "pixel_attention_mask"),
    ],
)
def test_networks_of_another_layout_are_not_read_at_random(tmp_path, name, config, words):
    saved(tmp_path, name, config)
    with pytest.raises(KapbenchError, match=words) as caught:
        offline(tmp_path).encode([picture(60, 40)])
    assert "adapter" in caught.value.fix


def test_an_mae_shows_all_patches_in_their_order(tmp_path):
    """Its library masks three in four at random."""
    net = saved(tmp_path, "ViTMAEModel", SQUARE)
    net.config.mask_ratio = 0.0
    shown = picture(60, 40)
    with torch.inference_mode():
        out = net(pixel_values=prepared(shown, 32), output_hidden_states=True)
    expected = out.hidden_states[-1][0, 1:][out.ids_restore[0]].T
    found = offline(tmp_path).encode([shown])[0].values.reshape(32, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_normed_tokens_are_the_last_hidden_state(disk):
    folder, net = disk("ViT")
    shown = picture(60, 40)
    with torch.inference_mode():
        expected = net(pixel_values=prepared(shown, 32)).last_hidden_state[0, 1:].T
    found = offline(folder, normed=True).encode([shown])[0].values.reshape(32, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_no_vision_model(tmp_path):
    saved(tmp_path, "BertModel", SMALL | {"vocab_size": 50})
    with pytest.raises(KapbenchError, match="A BertModel takes input_ids"):
        offline(tmp_path)
    with pytest.raises(KapbenchError, match="takes a repository's name or a folder, not a file"):
        offline(tmp_path / "config.json")
    with pytest.raises(KapbenchError, match="'hf:' does not name a model"):
        load_model("hf:", device="cpu")


def test_folders_that_are_not_whole(tmp_path):
    saved(tmp_path, "ViTModel", SQUARE)
    processor, weights = tmp_path / "preprocessor_config.json", tmp_path / "model.safetensors"
    kept = weights.read_bytes()

    def refused(words):
        with pytest.raises(KapbenchError, match=words) as caught:
            offline(tmp_path)
        assert str(tmp_path) in str(caught.value)
        assert caught.value.fix

    processor.write_text('{"image_mean": [0.5]}')
    refused("image_mean does not have three channels")
    processor.write_text("{")
    refused("The file is not JSON")
    processor.unlink()
    refused("preprocessor_config.json is missing")
    weights.write_bytes(kept[: len(kept) // 2])
    refused("weights cannot be loaded")
    weights.rename(tmp_path / "pytorch_model.bin")
    refused("not hold a model in transformers' format")
    (tmp_path / "config.json").write_text('{"model_type": "unheard of"}')
    (tmp_path / "pytorch_model.bin").rename(weights)
    refused("weights cannot be loaded")


def test_without_a_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(KapbenchError, match="weights cannot be loaded") as caught:
        load_model("hf:somebody/something", device="cpu")
    for word in ("hf:FOLDER", "preprocessor_config.json", "gated"):
        assert word in caught.value.fix
