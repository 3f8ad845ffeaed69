"""ODISE's captioner: the published formula, what CLIP sees, and files that are wrong."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import picture
from tiny_diffusion import tiny_captioner, tiny_clip

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench_baselines.diffusion import captioner as captioner_module
from kapbench_baselines.diffusion.captioner import MEAN, STD, Captioner, Captions, clip_pixels, read

SOURCE, TARGET = (replace(picture(64, 48, i), category="cat") for i in (0, 1))
QUERIES = np.array([[5.0, 6.0], [40.0, 30.0], [63.0, 47.0]])


def test_states_and_time_are_the_published_formula(tmp_path):
    """uncond + tanh(α)·(W e + b + position), and tanh(α_t)·(W_t e + b_t + position_t)."""
    path, clip = tiny_captioner(tmp_path), tiny_clip(tmp_path)
    captioner = Captioner(Captions(str(path), str(clip)), "cpu", torch.float32)
    image, empty = torch.full((3, 28, 28), 51, dtype=torch.uint8), torch.randn(1, 77, 768)
    states, time = captioner(image, empty)
    import transformers

    net = transformers.CLIPVisionModelWithProjection.from_pretrained(clip)
    grey = torch.full((1, 3, 28, 28), 0.2)
    pixels = (grey - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        e = net(pixels).image_embeds
    t = read(path)
    word = t["clip_project.linear.weight"] @ e[0] + t["clip_project.linear.bias"]
    expected = empty + t["alpha_cond"].tanh() * (word + t["clip_project.positional_embedding"])
    torch.testing.assert_close(states, expected, atol=1e-4, rtol=1e-4)
    late = t["time_embed_project.linear.weight"] @ e[0] + t["time_embed_project.linear.bias"]
    late = late + t["time_embed_project.positional_embedding"][0, 0]
    torch.testing.assert_close(
        time[0], t["alpha_cond_time_embed"].tanh() * late, atol=1e-4, rtol=1e-4
    )


def test_clip_sees_what_the_published_runs_show_it():
    """Printed by `resize` and the normalisation of torchvision 0.14.1, which ODISE's adapter calls."""
    levels = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    pixels = clip_pixels(torch.from_numpy(levels), 28, antialias=False)
    assert pixels.shape == (1, 3, 28, 28)
    assert (pixels.mean().item(), pixels.std().item()) == pytest.approx((0.1860879, 0.9168704))
    first, last = pixels[0, 0, 0, :4].tolist(), pixels[0, 2, 27, -4:].tolist()
    assert first == pytest.approx([-0.1924044, 1.2887547, 0.704097, -0.2990286], abs=1e-5)
    assert last == pytest.approx([0.8613616, 0.3008322, 1.273762, -0.2690451], abs=1e-5)
    smoothed = clip_pixels(torch.from_numpy(levels), 28, antialias=True)
    assert smoothed.std().item() == pytest.approx(0.536, abs=1e-3)


@pytest.fixture(scope="module")
def files(v15, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captioner")
    captions = {"captioner": str(tiny_captioner(folder)), "clip": str(tiny_clip(folder))}
    return {"weights": str(v15)} | captions


def sd_alone(files, **options):
    return load_model("sd_dino.sd", device="cpu", image_px=64, dims=8, **files, **options)


def test_it_changes_what_is_seen_and_the_revision(files):
    plain, captioned = sd_alone({"weights": files["weights"]}), sd_alone(files)
    assert plain.revision != captioned.revision
    # Where a file lies is no setting.
    assert captioned.options == plain.options | {"clip": captioned.options["clip"]}
    maps = [m.match(SOURCE, TARGET, QUERIES).values for m in (plain, captioned)]
    assert not np.allclose(*maps)


def other_clip(files, folder):
    """Another CLIP: the tiny one with one weight changed."""
    import transformers

    net = transformers.CLIPVisionModelWithProjection.from_pretrained(files["clip"])
    with torch.no_grad():
        net.visual_projection.weight[0, 0] += 1
    net.save_pretrained(folder)
    return files | {"clip": str(folder)}


def test_another_clip_changes_the_revision_and_the_options(files, tmp_path):
    other = other_clip(files, tmp_path / "other")
    one, two = sd_alone(files), sd_alone(other)
    assert one.revision != two.revision
    assert one.options["clip"] != two.options["clip"]
    with pytest.raises(KapbenchError, match="folder with CLIP does not exist"):
        sd_alone(files | {"clip": one.options["clip"]})  # digits are no folder
    copied = shutil.copytree(files["clip"], tmp_path / "copy")
    assert sd_alone(files | {"clip": str(copied)}).revision == one.revision


def test_the_hubs_clip_is_known_by_its_name(files, monkeypatch):
    net = captioner_module._vision(Path(files["clip"]))
    monkeypatch.setattr(captioner_module, "_vision", lambda folder: net)
    for clip in (None, captioner_module.CLIP):  # the second is what a run card gives back
        of_hub = Captioner(Captions(files["captioner"], clip), "cpu", torch.float32)
        assert of_hub.clip == captioner_module.CLIP
        assert of_hub.revision.endswith(captioner_module.CLIP)


def test_antialiasing_is_an_option_that_changes_both(files):
    published, smooth = sd_alone(files), sd_alone(files, clip_antialias=True)
    assert published.revision != smooth.revision
    assert smooth.options["clip_antialias"] is True
    maps = [m.match(SOURCE, TARGET, QUERIES).values for m in (published, smooth)]
    assert not np.array_equal(*maps)


def test_a_file_without_one(tmp_path):
    path = tmp_path / "x.pth"
    with pytest.raises(KapbenchError, match="The weights do not exist"):
        read(path)
    torch.save({"model": {"a": torch.zeros(1)}}, path)
    with pytest.raises(KapbenchError, match=r"clip_project\.linear\.weight is missing"):
        read(path)
    path.write_bytes(b"damaged")
    with pytest.raises(KapbenchError, match="damaged"):
        read(path)
