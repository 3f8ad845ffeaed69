"""SD alone, and the stack that the released heads of GeoAware-SC read."""

from dataclasses import replace

import numpy as np
import pytest
from pictures import picture
from tiny_diffusion import tiny_captioner, tiny_clip
from tiny_vits import tiny_dinov2

from kapbench.loading import load_model

SOURCE, TARGET = (replace(picture(64, 48, i), category="cat") for i in (0, 1))
QUERIES = np.array([[5.0, 6.0], [40.0, 30.0], [63.0, 47.0]])


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    return tiny_dinov2(tmp_path_factory.mktemp("dino"), "dinov2.vitb14")


@pytest.fixture
def stack(v15, dino):
    def build(**options):
        files = {"weights": str(v15), "dino_weights": str(dino)}
        settings = {"image_px": 64, "dino_px": 56}
        return load_model("sd_dino.stack", device="cpu", **files | settings | options)

    return build


def test_sd_alone_is_sd_dino_without_its_dino(v15, dino):
    """By cosine, on the grid of DINOv2 at 840 px, as sd-dino scores it."""
    own = {"weights": str(v15), "image_px": 64, "dims": 8, "device": "cpu"}
    alone = load_model("sd_dino.sd", **own).match(SOURCE, TARGET, QUERIES)
    both = load_model("sd_dino", alpha=1.0, similarity="dot", dino_weights=str(dino), **own)
    fused = both.match(SOURCE, TARGET, QUERIES)
    assert alone.grid == fused.grid
    np.testing.assert_allclose(alone.values, fused.values, atol=1e-5)


def test_sd_alone_is_repeated_by_its_options(v15):
    options = {"weights": str(v15), "image_px": 64, "dims": 8, "seed": 3, "prompt": "a {category}"}
    model = load_model("sd_dino.sd", device="cpu", **options)
    again = load_model("sd_dino.sd", device="cpu", weights=str(v15), **model.options)
    assert (again.revision, again.options) == (model.revision, model.options)
    assert model.conditions_on == ("category",)
    assert model.trained_on == "LAION image-text pairs"


def test_the_stack_is_what_the_released_heads_read(stack, v15, dino):
    """Fine to coarse, then DINOv2, raw: each part is that of the encoder that gives it alone."""
    model = stack(freeu=False)
    values = model.encode([SOURCE])[0].values
    assert values.shape == (64 + 64 + 64 + 768, 4, 4)
    assert model.parts == (64, 64, 64, 768)  # a stage each, as the released heads have
    own = {"weights": str(v15), "image_px": 64, "timestep": 50}
    [fine] = load_model("sd.v15", device="cpu", blocks="up2.1", **own).encode([SOURCE])
    np.testing.assert_allclose(values[:64], fine.values, atol=1e-5)
    alone = load_model("dinov2.vitb14", device="cpu", weights=str(dino), image_px=56)
    np.testing.assert_array_equal(values[-768:], alone.encode([SOURCE])[0].values)


def test_the_stack_is_read_with_freeu_unless_the_user_says_otherwise(stack):
    published, without = stack(), stack(freeu=False)
    assert published.options["freeu"] is True
    assert published.revision != without.revision
    one, two = (m.encode([SOURCE])[0].values for m in (published, without))
    for part in (slice(0, 64), slice(64, 128), slice(128, 192)):
        assert not np.allclose(one[part], two[part], atol=0.01)
    np.testing.assert_array_equal(one[-768:], two[-768:])


def test_the_stacks_run_is_repeated_by_its_files(stack, tmp_path):
    files = {"captioner": str(tiny_captioner(tmp_path)), "clip": str(tiny_clip(tmp_path))}
    model = stack(**files, freeu=False, clip_antialias=True)
    again = stack(**model.options | files)  # in this order, as `submit reproduce`
    assert (again.revision, again.options) == (model.revision, model.options)


def test_a_file_gives_the_stack_its_options_beneath_another_model(stack, v15, dino, tmp_path):
    """As docs/diffusion.md has it; SD's layers and DINOv2's tokens are normalised apart."""
    files = {"weights": str(v15), "dino_weights": str(dino), "image_px": 64, "dino_px": 56}
    (tmp_path / "stack.py").write_text(
        "from kapbench import load_model\n\n\n"
        'def stack(device="cpu"):\n'
        f'    return load_model("sd_dino.stack", device=device, **{files})\n'
    )
    model = load_model("geoaware.zeroshot", backbone=f"{tmp_path}/stack.py:stack", device="cpu")
    maps = model.match(SOURCE, SOURCE, QUERIES, np.full((3, 2), np.nan))
    [values] = (m.values.reshape(960, -1) for m in stack().encode([SOURCE]))
    both = [part / np.linalg.norm(part, axis=0) for part in (values[:192], values[192:])]
    unit = np.concatenate(both) / np.sqrt(2)
    cells = maps.grid.cell_of(QUERIES)
    np.testing.assert_allclose(maps.values.reshape(3, -1), unit[:, cells].T @ unit, atol=3e-3)
