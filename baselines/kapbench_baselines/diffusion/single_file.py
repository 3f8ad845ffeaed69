"""Stable Diffusion as one .safetensors file in its original layout, by diffusers' converters.

Such a file holds tensors alone. Its configuration follows from their shapes and from what both releases
share; the tokenizer's words are read from a folder `tokenizer` beside it.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench_baselines.vit.weights import silent

UNET, VAE, TEXT, EMA = (
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.",
    "model_ema.",
)
TOKENIZER = ("vocab.json", "merges.txt")
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PENULTIMATE = 23  # OpenCLIP's 24th layer is not read: the states are those before it


def check(path: Path, hub: str, licence: str) -> None:
    """Raises KapbenchError: no safetensors file, or no words beside it."""
    if path.suffix != ".safetensors":
        raise KapbenchError(
            "This is not a .safetensors file",
            place=path,
            fix="Give the release's .safetensors; .ckpt files hold pickled objects and are not read",
        )
    for name in TOKENIZER:
        if not (path.parent / "tokenizer" / name).is_file():
            raise KapbenchError(
                f"tokenizer/{name} is missing beside the file",
                place=path,
                fix=f"Download the folder tokenizer of https://huggingface.co/{hub} ({licence}): "
                "a single file does not contain the vocabulary",
            )


def numbers(path: Path) -> int:
    """How many numbers of the file are read."""
    with safe_open(path, "pt") as file:
        names = [k for k in file.keys() if k.startswith((UNET, VAE, TEXT))]  # noqa: SIM118
        return sum(int(torch.Size(file.get_slice(k).get_shape()).numel()) for k in names)


def tensors(path: Path) -> dict[str, Tensor]:
    """All that is read; of a UNet that was also averaged, the average, as the hub's folders have it."""
    with safe_open(path, "pt") as file:
        names = set(file.keys())
        averaged = {k: EMA + "".join(k.split(".")[1:]) for k in names if k.startswith(UNET)}
        wanted = (k for k in names if k.startswith((UNET, VAE, TEXT)))
        tensors = {
            k: file.get_tensor(averaged[k] if averaged.get(k) in names else k) for k in wanted
        }
    if missing := [p for p in (UNET, VAE, TEXT) if not any(k.startswith(p) for k in tensors)]:
        raise KapbenchError(
            f"No tensor's name begins with {missing[0]}",
            place=path,
            fix="Give a whole Stable Diffusion in its original layout, or a folder in diffusers' format",
        )
    return tensors


def load(path: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Networks, tokenizer and scheduler by name; what a file lacks is the caller's to look for."""
    import diffusers as _diffusers
    import transformers
    from diffusers.loaders import single_file_utils

    diffusers: Any = _diffusers
    text_encoder: Any = single_file_utils.create_diffusers_clip_model_from_ldm
    state = tensors(path)
    log = diffusers.utils.logging  # warns of an empty list of modules; what matters is raised here
    with tempfile.TemporaryDirectory(prefix="kapbench-") as folder, silent(log):
        for part, configuration in configurations(state).items():
            (Path(folder) / part).mkdir()
            (Path(folder) / part / "config.json").write_text(
                json.dumps(configuration), encoding="utf-8"
            )
        options = {"config": folder, "local_files_only": True, "torch_dtype": dtype}
        return {
            "unet": diffusers.UNet2DConditionModel.from_single_file(
                dict(state), subfolder="unet", **options
            ),
            "vae": diffusers.AutoencoderKL.from_single_file(
                dict(state), subfolder="vae", **options
            ),
            "text_encoder": text_encoder(
                transformers.CLIPTextModel, dict(state), subfolder="text_encoder", **options
            ),
            "tokenizer": _tokenizer(path.parent / "tokenizer"),
            "scheduler": diffusers.DDPMScheduler(**SCHEDULER),
        }


def _tokenizer(folder: Path) -> Any:
    import transformers

    return transformers.CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def configurations(state: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """diffusers' configuration of each network.

    Raises:
        KapbenchError: tensors of another network.
    """
    try:
        return {"unet": _unet(state), "vae": _vae(state), "text_encoder": _text(state)}
    except KeyError as error:
        raise KapbenchError(
            f"This is not Stable Diffusion 1 or 2: {error.args[0]} is missing",
            place="a single file",
            fix="Give the file of a whole release; this download may be incomplete",
        ) from error


def _unet(state: Mapping[str, Tensor]) -> dict[str, Any]:
    layers, levels = 2, 4
    at = (
        UNET + f"input_blocks.{1 + i * (layers + 1)}.0.out_layers.3.weight" for i in range(levels)
    )
    widths = [len(state[key]) for key in at]
    linear = state[UNET + "input_blocks.1.1.proj_in.weight"].ndim == 2
    context = state[UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"].shape[1]
    return {
        "_class_name": "UNet2DConditionModel",
        "block_out_channels": widths,
        "layers_per_block": layers,
        "cross_attention_dim": context,
        "sample_size": 64,
        "use_linear_projection": linear,
        "upcast_attention": linear or None,
        # Release 1 has eight heads, release 2 heads of 64 channels; the name is diffusers' mistake.
        "attention_head_dim": [max(1, w // 64) for w in widths] if linear else 8,
    }


def _vae(state: Mapping[str, Tensor]) -> dict[str, Any]:
    levels = 4
    widths = [len(state[VAE + f"encoder.down.{i}.block.0.conv1.weight"]) for i in range(levels)]
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": widths,
        "layers_per_block": 2,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "latent_channels": 4,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "scaling_factor": 0.18215,
    }


def _text(state: Mapping[str, Tensor]) -> dict[str, Any]:
    clip = TEXT + "transformer.text_model."
    if opened := TEXT + "model.token_embedding.weight" in state:
        embedding = state[TEXT + "model.token_embedding.weight"]
        wide = len(state[TEXT + "model.transformer.resblocks.0.mlp.c_fc.bias"])
        n_layers = min(_count(state, TEXT + "model.transformer.resblocks."), PENULTIMATE)
    else:
        embedding = state[clip + "embeddings.token_embedding.weight"]
        wide = len(state[clip + "encoder.layers.0.mlp.fc1.bias"])
        n_layers = _count(state, clip + "encoder.layers.")
    words, width = embedding.shape
    return {
        "model_type": "clip_text_model",
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": wide,
        "num_hidden_layers": n_layers,
        "num_attention_heads": max(1, width // 64),
        "bos_token_id": words - 2,
        "hidden_act": "gelu" if opened else "quick_gelu",
        "eos_token_id": words - 1,
        "projection_dim": 512 if opened else 768,
    }


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({k.removeprefix(prefix).partition(".")[0] for k in state if k.startswith(prefix)})
