"""Presets against their library's own forward, on random weights in the published layout."""

from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch
from frozen_vits import at_native_size
from importing import imported_timm
from pictures import picture
from tiny_presets import FIRST, SIDE, configured, own_weights
from torch.nn.functional import interpolate

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.letterbox import letterboxed
from kapbench_baselines.vit.preset_families import FAMILIES
from kapbench_baselines.vit.preset_table import PRESETS, ROWS

SHOWN = picture(60, 40)
NORMED = [
    name
    for name in FIRST.values()
    if PRESETS[name].family.library != "timm"  # refused: timm leaves the norm to the head
    and PRESETS[name].family.kind not in ("SamVisionModel", "RadioModel")
]
every_family = pytest.mark.parametrize("name", FIRST.values(), ids=FIRST)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    kept, folder = {}, tmp_path_factory.mktemp("presets")

    def get(name):
        if name not in kept:
            kept[name] = own_weights(name, folder)
        return kept[name]

    return get


def features(name, path, **options):
    model = load_model(name, weights=str(path), device="cpu", **options)
    return model.encode([SHOWN])[0].values


def prepared(name, side):
    levels = torch.tensor(letterboxed(SHOWN, side)).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in PRESETS[name].family.levels)
    return (levels - mean) / std


def own_tokens(name, net, side, *, normed=False):
    """From the library's own forward: tokens [n c] of all patches, by rows."""
    family, pixels = name.partition(".")[0], prepared(name, side)
    with torch.inference_mode():
        if PRESETS[name].family.library == "timm":
            maps = net.forward_intermediates(pixels, norm=False, intermediates_only=True)
            return maps[-1][0].flatten(1).T
        tokens, final = FORWARDS[family](net, name, pixels, side)
        return final if normed else tokens


def of_sam(net, name, pixels, side):
    out = resized_sam(net, name, side)(pixel_values=pixels, output_hidden_states=True)
    return out.hidden_states[-1][0].flatten(0, 1), None


def resized_sam(net, name, side):
    """A network made for `side`, its tables resized here: bicubic, and linear for distances."""
    native, state = configured(name, side), net.state_dict()
    for key, wanted in native.state_dict().items():
        value = state[key]
        if value.shape == wanted.shape:
            continue
        if key.endswith("pos_embed"):
            grid = value.permute(0, 3, 1, 2)
            state[key] = interpolate(grid, wanted.shape[1:3], mode="bicubic").permute(0, 2, 3, 1)
        else:
            state[key] = interpolate(value.T[None], len(wanted), mode="linear")[0].T
    native.load_state_dict(state)
    return native


def of_mae(net, name, pixels, side):
    """Shuffled at random and put back by the ids that the library returns."""
    net.config.mask_ratio = 0.0
    out = net(pixel_values=pixels, interpolate_pos_encoding=True, output_hidden_states=True)
    restored = out.ids_restore[0]
    return out.hidden_states[-1][0, 1:][restored], out.last_hidden_state[0, 1:][restored]


def of_vjepa2(net, name, pixels, side):
    native = configured(name, side)
    native.load_state_dict(net.state_dict())
    film = pixels[:, None].repeat(1, 2, 1, 1, 1)
    out = native(pixel_values_videos=film, skip_predictor=True, output_hidden_states=True)
    return out.hidden_states[-1][0], out.last_hidden_state[0]


def of_siglip2(net, name, pixels, side):
    out = net(pixel_values=pixels, interpolate_pos_encoding=True, output_hidden_states=True)
    return out.hidden_states[-1][0], out.last_hidden_state[0]


def of_radio(net, name, pixels, side):
    return net(pixel_values=pixels).features[0], None


def with_table(family):
    """Position embeddings resized here, by upstream's rule for DINO, DINOv2 or its registers."""

    def of_table(net, name, pixels, side):
        native = at_native_size(net, family, side)
        out = native(pixel_values=pixels, output_hidden_states=True)
        skip = 1 + getattr(net.config, "num_register_tokens", 0)
        return out.hidden_states[-1][0, skip:], out.last_hidden_state[0, skip:]

    return of_table


FORWARDS = {
    "sam": of_sam,
    "mae": of_mae,
    "vjepa2": of_vjepa2,
    "siglip2": of_siglip2,
    "ibot": with_table("dino"),
    "dune": with_table("dinov2"),
    "vggt": with_table("dinov2reg"),
    "c_radio": of_radio,
    "am_radio": of_radio,
}


@every_family
@pytest.mark.parametrize("larger", [False, True], ids=["own size", "larger"])
def test_tokens_are_those_of_the_librarys_forward(disk, name, larger):
    """Of an image that is not square, also where positions must be interpolated."""
    net, path = disk(name)
    side = SIDE[PRESETS[name].patch]
    side += larger * side // 2
    n = side // PRESETS[name].patch
    ours = features(name, path, image_px=side)
    assert ours.shape == (PRESETS[name].channels, n, n)
    expected = own_tokens(name, net, side).T.reshape(-1, n, n)
    np.testing.assert_allclose(ours, expected, atol=1e-5, rtol=1e-5)
    assert np.ptp(ours, axis=(1, 2)).max() > 0.01


@every_family
def test_a_preset_declares_what_is_published(disk, name):
    preset, side = PRESETS[name], SIDE[PRESETS[name].patch]
    model = load_model(name, weights=str(disk(name)[1]), device="cpu", image_px=side)
    family = preset.family
    assert (model.name, model.licence) == (name, preset.licence)
    assert (model.trained_on, model.supervision) == (family.trained_on, family.supervision)
    assert (model.layer, model.image_px) == (preset.layer, side)


@pytest.mark.parametrize("name", NORMED)
def test_normed_tokens_have_passed_the_librarys_final_norm(disk, name):
    net, path = disk(name)
    side = SIDE[PRESETS[name].patch]
    ours = features(name, path, image_px=side, normed=True)
    expected = own_tokens(name, net, side, normed=True).T.reshape(ours.shape)
    np.testing.assert_allclose(ours, expected, atol=1e-5, rtol=1e-5)
    plain, normed = (
        load_model(name, weights=str(path), device="cpu", image_px=side, **more)
        for more in ({}, {"normed": True})
    )
    assert normed.revision == f"{plain.revision}-normed"
    assert normed.options == plain.options | {"normed": True}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("sam.vitb16", {"normed": True}, "has no norm behind its last block"),
        ("c_radio.v3b", {"normed": True}, "RadioModel has no norm"),
        ("pe.spatial_t16", {"normed": True}, "Eva has no norm"),
        ("mae.vitb16", {"normed": True, "facet": "key"}, "one of tokens, not of the key"),
        ("mae.vitb16", {"image_px": 100}, "100 px is not a multiple of the patch of 16 px"),
        ("mae.vitb16", {"layer": 3}, "There is no layer 3: mae.vitb16 has 2 blocks"),
        ("c_radio.v3b", {"stride": 8}, "cannot take overlapping patches"),
    ],
)
def test_options_that_do_not_fit(disk, name, options, words):
    with pytest.raises(KapbenchError, match=words) as caught:
        features(name, disk(name)[1], **{"image_px": 64} | options)
    assert caught.value.fix


def test_weights_of_another_model(disk):
    for name, other, words in (
        ("mae.vitb16", "sam.vitb16", "These are weights of a sam_vision_model model"),
        ("vjepa2.vith16", "vjepa2.vitl16", "have 1024 channels; vjepa2.vith16 has 1280"),
        ("dune.vitb14", "dune.vits14", "have 384 channels; dune.vitb14 has 768"),
        ("ibot.vitb16", "ibot.vits16", "have 384 channels; ibot.vitb16 has 768"),
        ("ibot.vits16", "dune.vits14", "not a plain dictionary of tensors"),
        ("vggt.encoder", "c_radio.v3b", "not weights of VGGT's encoder"),
    ):
        with pytest.raises(KapbenchError, match=words) as caught:
            features(name, disk(other)[1])
        assert caught.value.fix


def test_a_radio_of_another_layout_is_refused(disk, tmp_path):
    """A norm within the feed-forward layers would be left out without a word."""
    from safetensors.torch import load_file, save_file

    state = load_file(disk("c_radio.v3b")[1])
    save_file(
        state | {"radio_model.model.blocks.0.mlp.norm.weight": torch.ones(9)},
        tmp_path / "w.safetensors",
    )
    with pytest.raises(KapbenchError, match=r"tensor 'encoder.layer.0.mlp.norm.weight'"):
        features("c_radio.v3b", tmp_path / "w.safetensors", image_px=64)


def test_a_radio_file_is_read_as_transformers_converts_it(disk, tmp_path):
    """NVIDIA's names, by the library's own table of them; without layer scales, as in C-RADIO v4."""
    import transformers
    from safetensors.torch import load_file, save_file

    net, path = disk("c_radio.v3b")
    state = {k: v for k, v in load_file(path).items() if ".ls" not in k and "camera" not in k}
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    net.config.save_pretrained(tmp_path)
    converted = transformers.RadioModel.from_pretrained(tmp_path)
    with torch.inference_mode():
        expected = converted(pixel_values=prepared("c_radio.v3b", 64)).features[0].T
    ours = features("c_radio.v3b", tmp_path / "model.safetensors", image_px=64).reshape(768, -1)
    np.testing.assert_allclose(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "thing", "advice"),
    [
        ("sam.vitb16", "weights cannot be loaded", "facebook/sam-vit-base"),
        (
            "ibot.vitb16",
            "weights of ibot.vitb16 are on no hub",
            "https://github.com/bytedance/ibot",
        ),
        ("dune.vitb14", "are on no hub", "dune_vitbase14_448.pth"),
        ("vggt.encoder", "weights cannot be loaded", "huggingface.co/facebook/VGGT-1B"),
        ("c_radio.v4h", "weights cannot be loaded", "huggingface.co/nvidia/C-RADIOv4-H"),
    ],
)
def test_weights_that_are_not_here(monkeypatch, name, thing, advice):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(KapbenchError, match=thing) as caught:
        load_model(name, device="cpu")
    assert advice in caught.value.fix
    assert "-o weights=" in caught.value.fix


def test_missing_weights_are_said_before_transformers_is_imported(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("kapbench_baselines.vit.weights.imported", None)
    for name in ("mae.vitb16", "vggt.encoder"):
        with pytest.raises(KapbenchError, match="they are not on this machine"):
            load_model(name, device="cpu")


def test_training_on_masks_or_cameras_is_declared(disk):
    declared = {
        name: load_model(
            name, weights=str(disk(name)[1]), device="cpu", image_px=6 * PRESETS[name].patch
        )
        for name in ("sam.vitb16", "vggt.encoder", "mae.vitb16", "dune.vits14")
    }
    assert [model.supervision for model in declared.values()] == [
        "masks",
        "viewpoint: cameras, depth and tracks",
        "none",
        "none",
    ]
    assert "DINOv2" in declared["dune.vits14"].trained_on


def test_a_row_is_all_that_a_preset_needs():
    """Its name is an entry point, its size a whole number of patches, its line one of a terminal."""
    registered = {
        entry.name: entry.attr
        for entry in entry_points(group="kapbench.models")
        if entry.module == "kapbench_baselines.vit.presets"
    }
    assert registered == {preset.name: preset.attribute for preset in ROWS}
    assert len(PRESETS) == len(ROWS)
    assert {preset.name.partition(".")[0] for preset in ROWS} == set(FAMILIES)
    for preset in ROWS:
        assert preset.image_px % preset.patch == 0
        assert len(f"{preset.name:<22} {preset.line}") <= 80
        assert preset.line.endswith(preset.licence)


def test_timm_declares_what_the_table_does():
    """Normalisation, licence and the size in training."""
    timm = imported_timm()
    for preset in (p for p in ROWS if p.family.library == "timm"):
        config = timm.models.get_pretrained_cfg(preset.source)
        assert (config.mean, config.std) == preset.family.levels
        assert config.license == preset.licence.lower()
        assert config.input_size[-1] == preset.trained_px


def test_the_docs_have_every_row_of_the_table():
    docs = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    for p in ROWS:
        facts = (p.size, p.patch, p.trained_px, p.image_px, p.source, p.licence)
        assert f"| `{p.name}` | {' | '.join(map(str, facts))} |" in docs
