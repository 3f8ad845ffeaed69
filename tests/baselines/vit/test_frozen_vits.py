"""DINO, DINOv2 and DINOv3 against transformers' own forward, and overlapping patches."""

import numpy as np
import pytest
import torch
from frozen_vits import at_native_size, made, offline, prepared, reference
from pictures import picture
from upstream_dinov2 import offset_axis

from kapbench.cli.options import typed
from kapbench.errors import KapbenchError
from kapbench.types import Letterbox, Picture
from kapbench_baselines.vit.facets import check_layer

NAMES = {
    "dino": ("dino.vits16", 16, 224),
    "dinov2": ("dinov2.vits14", 14, 518),
    "dinov2reg": ("dinov2.vits14reg", 14, 518),
    "dinov3": ("dinov3.vits16", 16, 224),
}
FACETS = ("token", "query", "key", "value")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """family -> (folder, network), each made once."""
    kept = {}

    def get(family):
        if family not in kept:
            folder = tmp_path_factory.mktemp(family)
            net = made(family, *NAMES[family][1:])
            net.save_pretrained(folder)
            kept[family] = folder, net
        return kept[family]

    return get


def facet_equals_that_of_transformers(disk, family, facet, side):
    name, patch, _ = NAMES[family]
    folder, net = disk(family)
    native = net if family == "dinov3" else at_native_size(net, family, side)
    shown = picture(90, 60)
    expected = reference(native, prepared(shown, side), 1, facet)
    model = offline(name, folder, image_px=side, layer=1, facet=facet, stride=patch)
    found = model.encode([shown])[0].values.reshape(384, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("facet", FACETS)
@pytest.mark.parametrize("family", NAMES)
def test_facets_equal_those_of_transformers(disk, family, facet):
    facet_equals_that_of_transformers(disk, family, facet, 224)


@pytest.mark.parametrize(
    "facet", [pytest.param(f, marks=[pytest.mark.slow] if f != "token" else []) for f in FACETS]
)
@pytest.mark.parametrize("family", NAMES)
def test_facets_equal_those_of_transformers_at_its_own_resolution(disk, family, facet):
    """840 px for DINOv2 (60×60 patches); 832 px, the nearest multiple of 16, for the others."""
    facet_equals_that_of_transformers(
        disk, family, facet, 840 // NAMES[family][1] * NAMES[family][1]
    )


@pytest.mark.slow
def test_patches_of_8_px_at_840_px(tmp_path):
    """11,025 patches, as the field's largest runs of DINO have."""
    net = made("dino", 8, 224, depth=1)
    net.save_pretrained(tmp_path)
    native = at_native_size(net, "dino", 840)
    shown = picture(90, 60)
    for layer, facet in ((-1, "token"), (0, "key")):
        expected = reference(native, prepared(shown, 840), layer, facet)
        model = offline("dino.vits8", tmp_path, image_px=840, layer=layer, facet=facet, stride=8)
        found = model.encode([shown])[0].values.reshape(384, -1)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("family", NAMES)
def test_a_stride_of_the_patch_changes_nothing(disk, family):
    name, patch, _ = NAMES[family]
    folder, _ = disk(family)
    shown = [picture(60, 40)]
    options = {"image_px": 8 * patch, "layer": 1, "facet": "token"}
    plain = offline(name, folder, stride=patch, **options)
    if family != "dino":  # whose own default is half the patch
        default = offline(name, folder, **options)
        np.testing.assert_array_equal(
            default.encode(shown)[0].values, plain.encode(shown)[0].values
        )
        assert default.revision == plain.revision
    assert "stride" not in plain.revision
    assert plain.encode(shown)[0].grid == plain.encode(shown)[0].grid.letterbox(
        (60, 40), 8, 8 * patch
    )


@pytest.mark.parametrize("family", NAMES)
def test_every_second_overlapping_patch_is_a_plain_one(tmp_path, family):
    """Before position embeddings: the tables are zero here, and DINOv3 has none."""
    name, patch, side = NAMES[family]
    net = made(family, patch, side, depth=1)
    if family != "dinov3":
        torch.nn.init.zeros_(net.embeddings.position_embeddings)
    net.save_pretrained(tmp_path)
    shown = [picture(60, 40)]
    plain, dense = (
        offline(name, tmp_path, image_px=8 * patch, layer=0, facet="token", stride=s).encode(shown)
        for s in (patch, patch // 2)
    )
    assert dense[0].values.shape[1:] == (15, 15)
    np.testing.assert_allclose(
        dense[0].values[:, ::2, ::2], plain[0].values, atol=1e-6 * np.abs(plain[0].values).max()
    )
    x, y = dense[0].grid.centres()
    np.testing.assert_allclose(x[::2], plain[0].grid.centres()[0])
    np.testing.assert_allclose(y[::2], plain[0].grid.centres()[1])


def test_the_table_is_stretched_over_overlapping_patches(disk):
    """As Amir et al. do: the rule of facebookresearch/dino, to the number of patches there are."""
    folder, net = disk("dino")
    model = offline("dino.vits16", folder, image_px=224, layer=0, stride=8)
    found = model._net.embeddings.interpolate_pos_encoding(torch.zeros(1, 1 + 27**2, 384), 224, 224)
    axis = offset_axis(14, 27)
    table = net.embeddings.position_embeddings.detach()[0, 1:].view(14, 14, -1).double().numpy()
    expected = np.einsum("ia,jb,abc->ijc", axis, axis, table, optimize=True).reshape(27 * 27, -1)
    np.testing.assert_allclose(found[0, 1:].detach(), expected, atol=1e-4)


def test_rotations_are_those_of_the_patches_centres(disk):
    folder, net = disk("dinov3")
    pixels = torch.zeros(1, 3, 128, 128)
    model = offline("dinov3.vits16", folder, image_px=128, stride=8)
    for dense, plain in zip(
        model._net.rope_embeddings(pixels), net.rope_embeddings(pixels), strict=True
    ):
        every = dense.view(15, 15, -1)[::2, ::2].flatten(0, 1)
        np.testing.assert_allclose(every, plain, atol=1e-5)


@pytest.mark.parametrize(("size", "stride"), [((224, 224), 4), ((224, 224), 16), ((300, 200), 8)])
def test_cells_lie_where_the_patches_are(disk, size, stride):
    """Patch i has its centre at 8 + i · stride of the letterbox's pixels."""
    folder, _ = disk("dino")
    model = offline("dino.vits16", folder, image_px=224, layer=0, facet="token", stride=stride)
    blank = np.zeros((size[1], size[0], 3), np.uint8)
    found = model.encode([Picture(blank, "thing/blank")])[0]
    n = (224 - 16) // stride + 1
    assert found.values.shape[1:] == (n, n)
    frame = 8 + stride * np.arange(n)
    expected = Letterbox(size, 224).to_image(np.stack([frame, frame], axis=1))
    x, y = found.grid.centres()
    np.testing.assert_allclose(np.stack([x, y], axis=1), expected, atol=1e-9)
    assert found.grid.cell_size[0] == pytest.approx(stride * max(size) / 224)


def test_a_pixel_is_seen_by_the_cells_around_it(disk):
    """One lit pixel changes the embeddings of just the patches that hold it."""
    folder, _ = disk("dino")
    model = offline("dino.vits16", folder, image_px=224, layer=0, facet="token", stride=8)
    blank = np.zeros((224, 224, 3), np.uint8)
    lit = blank.copy()
    lit[60, 101] = 255
    one, other = model.encode([Picture(blank, "thing/blank"), Picture(lit, "thing/lit")])
    changed = np.abs(one.values - other.values).max(axis=0) > 1e-4
    x, y = one.grid.centres()
    around = (np.abs(y - 60.5) < 8)[:, None] & (np.abs(x - 101.5) < 8)[None]
    np.testing.assert_array_equal(changed, around)


def test_dinos_default_is_the_descriptor_of_amir_et_al(tmp_path):
    """Keys of block 9, patches of 8 px every 4, 224 px: 55×55."""
    net = made("dino", 8, 224, depth=12)
    net.save_pretrained(tmp_path)
    model = offline("dino.vits8", tmp_path)
    said = {"layer": 9, "facet": "key", "stride": 4, "image_px": 224}
    assert model.options == said
    assert model.revision.endswith("-224px-layer9-key-stride4")
    shown = picture(64, 48)
    found = model.encode([shown])[0]
    assert found.values.shape == (384, 55, 55)
    plain = offline("dino.vits8", tmp_path, stride=8)
    expected = reference(net, prepared(shown, 224), 9, "key")
    np.testing.assert_allclose(
        plain.encode([shown])[0].values.reshape(384, -1),
        expected,
        atol=1e-5 * np.abs(expected).max(),
    )


def test_layers_of_tokens_and_of_keys(disk):
    """Layer 1's keys are made from the tokens of layer 1."""
    folder, net = disk("dinov3")
    shown = picture(60, 40)
    tokens, keys = (
        offline("dinov3.vits16", folder, image_px=64, layer=1, facet=f).encode([shown])[0].values
        for f in ("token", "key")
    )
    block = net.model.layer[1]
    with torch.inference_mode():
        expected = block.attention.k_proj(block.norm1(torch.tensor(tokens).flatten(1).T)).T
    np.testing.assert_allclose(keys.reshape(384, -1), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stride": 5}, "Stride 5 does not divide the patch of 16"),
        ({"stride": 0}, "Stride 0 does not divide"),
        ({"stride": 8, "image_px": 225}, "225 px is not a multiple of stride 8"),
        ({"stride": 16, "image_px": 225}, "225 px is not a multiple of the patch of 16"),
        ({"image_px": 8}, "8 px is not a multiple"),
        ({"facet": "key", "layer": 2}, "no layer 2"),
        ({"facet": "token", "layer": 3}, "no layer 3"),
        ({"facet": "value", "layer": -3}, "no layer -3"),
    ],
)
@pytest.mark.parametrize("name", ["dino.vits16", "dinov3.vits16"])
def test_options_that_do_not_fit(disk, name, options, words):
    folder, _ = disk(name.partition(".")[0])
    with pytest.raises(KapbenchError, match=words) as caught:
        offline(name, folder, **{"layer": 0, "image_px": 64} | options)
    assert caught.value.fix


def test_unknown_facets(disk):
    """On the command line, and from Python."""
    with pytest.raises(KapbenchError, match="facet=keys: give one of token, query"):
        typed("models", "dino.vits16", ["facet=keys"])
    with pytest.raises(KapbenchError, match="Unknown facet 'keys'") as caught:
        check_layer(disk("dino")[1], "dino.vits16", 0, "keys")
    assert "token, query, key, value" in caught.value.fix


def test_each_option_is_another_revision(disk):
    folder, _ = disk("dinov3")
    given = [{}, {"facet": "key"}, {"stride": 8}, {"layer": 1}, {"image_px": 64}]
    found = {offline("dinov3.vits16", folder, **o).revision for o in given}
    assert len(found) == len(given)
