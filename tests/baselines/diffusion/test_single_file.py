"""A single file in the original layout gives what the folder in diffusers' format gives."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from ldm_layout import state_of
from pictures import picture
from safetensors.torch import load_file, save_file
from tiny_diffusion import CONTEXT, write_text

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench_baselines.diffusion import memory_check
from kapbench_baselines.diffusion.pipeline_files import RELEASES, load

SHOWN = replace(picture(64, 48), category="cat")


def folder_of(path, tag):
    """As tiny_diffusion's, but with what all releases share: 32 groups, heads by the width."""
    diffusers = pytest.importorskip("diffusers", reason="needs the extra sd")
    import transformers

    torch.manual_seed(0)
    opened = tag == "v21"
    diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64, 64, 64),
        cross_attention_dim=CONTEXT[tag],
        attention_head_dim=[1, 1, 1, 1] if opened else 8,
        use_linear_projection=opened,
    ).save_pretrained(path / "unet")
    diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=2,
        latent_channels=4,
    ).save_pretrained(path / "vae")
    write_text(path, CONTEXT[tag])
    width, words = CONTEXT[tag], 54
    config = transformers.CLIPTextConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=width // 64,
        hidden_act="gelu" if opened else "quick_gelu",
        bos_token_id=words - 2,
        eos_token_id=words - 1,
    )
    shutil.rmtree(path / "text_encoder")
    transformers.CLIPTextModel(config).save_pretrained(path / "text_encoder")
    diffusers.DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    ).save_pretrained(path / "scheduler")
    return path


@pytest.fixture(scope="module", params=["v15", "v21"])
def both(request, tmp_path_factory):
    """A folder, and the same tensors as one file."""
    tag = request.param
    folder = folder_of(tmp_path_factory.mktemp(tag) / "folder", tag)
    alone = tmp_path_factory.mktemp(f"{tag}-alone")
    parts = load(RELEASES[tag], folder, "here", torch.float32)
    state = state_of(parts, opened=tag == "v21")
    save_file({k: v.contiguous() for k, v in state.items()}, alone / "sd.safetensors")
    shutil.copytree(folder / "tokenizer", alone / "tokenizer")
    return f"sd.{tag}", folder, alone / "sd.safetensors"


def sd(name, path, **options):
    given = {"image_px": 64, "blocks": "up1,up3", "prompt": "a {category}"} | options
    return load_model(name, device="cpu", weights=str(path), **given)


def test_features_are_those_of_the_folder(both):
    name, folder, file = both
    one, two = (sd(name, path).encode([SHOWN])[0].values for path in (folder, file))
    np.testing.assert_allclose(one, two, atol=2e-4)  # places in memory decide the last digits
    other = sd(name, file).encode([replace(SHOWN, category="dog")])[0].values
    assert not np.allclose(two, other)  # the words are read


def test_every_tensor_finds_its_place(both):
    name, *paths = both
    one, two = (load(RELEASES[name[3:]], path, "here", torch.float32) for path in paths)
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = (getattr(parts, part).state_dict() for parts in (two, one))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_it_takes_the_same_memory_and_is_named_by_its_hash(both):
    name, folder, file = both
    projection = 1024**2 * (name == "sd.v21")  # read of the file, and dropped
    numbers = [memory_check.weights_bytes(path, torch.float16) // 2 for path in (folder, file)]
    assert numbers[1] == numbers[0] + projection
    assert sd(name, file).revision != sd(name, folder).revision


def test_averaged_weights_are_taken_where_there_are_some(both, tmp_path):
    name, _, file = both
    state = load_file(file)
    prefix = "model.diffusion_model."
    averaged = {
        "model_ema." + "".join(k.split(".")[1:]): v
        for k, v in state.items()
        if k.startswith(prefix)
    }
    plain = {k: v + 1 if k.startswith(prefix) else v for k, v in state.items()}
    path = tmp_path / "pruned.safetensors"
    save_file(plain | averaged, path)
    shutil.copytree(file.parent / "tokenizer", tmp_path / "tokenizer")
    one, two = (sd(name, p).encode([SHOWN])[0].values for p in (file, path))
    np.testing.assert_allclose(one, two, atol=2e-4)


class TestWrongFiles:
    @pytest.fixture
    def copy(self, both, tmp_path):
        name, _, file = both
        return name, shutil.copytree(file.parent, tmp_path / "copy") / file.name

    def refused(self, copy):
        with pytest.raises(KapbenchError) as caught:
            sd(*copy)
        return str(caught.value)

    def test_without_words(self, copy):
        (copy[1].parent / "tokenizer" / "vocab.json").unlink()
        said = self.refused(copy)
        assert "tokenizer/vocab.json is missing" in said
        assert "OpenRAIL" in said

    def test_a_tensor_that_is_missing(self, copy):
        state = load_file(copy[1])
        del state["model.diffusion_model.output_blocks.4.0.in_layers.2.weight"]
        save_file(state, copy[1])
        assert "sd.safetensors" in self.refused(copy)

    def test_the_unet_alone(self, copy):
        state = load_file(copy[1])
        save_file({k: v for k, v in state.items() if not k.startswith("first")}, copy[1])
        assert "No tensor's name begins with first_stage_model." in self.refused(copy)

    def test_half_a_file(self, copy):
        copy[1].write_bytes(copy[1].read_bytes()[:10_000])
        assert "cannot be read" in self.refused(copy)

    def test_a_ckpt(self, copy):
        path = copy[1].rename(copy[1].with_suffix(".ckpt"))
        assert "pickled objects and are not read" in self.refused((copy[0], path))
