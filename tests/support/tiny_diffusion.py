"""Stable Diffusion in miniature: the true layout on disk, random weights."""

import json

import pytest

WIDTHS = (32, 64, 64, 64)
CONTEXT = {"v15": 768, "v21": 1024}


def tiny_pipeline(folder, tag="v15"):
    """A folder in diffusers' format, as a repository of the hub has it."""
    diffusers = pytest.importorskip("diffusers", reason="needs the extra sd")
    import torch

    path = folder / f"sd-{tag}"
    if path.exists():
        return path
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=WIDTHS,
        layers_per_block=2,
        norm_num_groups=8,
        cross_attention_dim=CONTEXT[tag],
        attention_head_dim=8,
    )
    vae = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    unet.save_pretrained(path / "unet")
    vae.save_pretrained(path / "vae")
    diffusers.DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    ).save_pretrained(path / "scheduler")
    write_text(path, CONTEXT[tag])
    return path


def write_text(path, width):
    """A text encoder of one thin layer, and a tokenizer that knows letters alone."""
    import transformers

    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
    )
    transformers.CLIPTextModel(config).save_pretrained(path / "text_encoder")
    tokenizer = path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": words[-2], "eos_token": words[-1], "unk_token": words[-1]}
    said = {**special, "pad_token": words[-1], "model_max_length": 77}
    (tokenizer / "tokenizer_config.json").write_text(
        json.dumps({**said, "tokenizer_class": "CLIPTokenizer"})
    )


def tiny_clip(folder):
    """CLIP's vision tower of the true embedding's width."""
    transformers = pytest.importorskip("transformers", reason="needs the extra sd")
    import torch

    path = folder / "clip"
    if not path.exists():
        torch.manual_seed(0)
        config = transformers.CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=28,
            patch_size=14,
            projection_dim=24,
        )
        transformers.CLIPVisionModelWithProjection(config).save_pretrained(path)
    return path


def tiny_captioner(folder, *, context=768, time=128):
    """A checkpoint with the captioner's tensors under ODISE's names, and others."""
    import torch

    path = folder / "odise.pth"
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    place = "backbone.feature_extractor."
    state = {
        "clip_project.linear.weight": draw(context, 24),
        "clip_project.linear.bias": draw(context),
        "clip_project.positional_embedding": draw(1, 77, context),
        "alpha_cond": draw(1, 77, context),
        "time_embed_project.linear.weight": draw(time, 24),
        "time_embed_project.linear.bias": draw(time),
        "time_embed_project.positional_embedding": draw(1, 1, time),
        "alpha_cond_time_embed": draw(time),
    }
    others = {"sem_seg_head.weight": draw(2, 2)}
    torch.save({"model": {f"{place}{k}": v for k, v in state.items()} | others}, path)
    return path
