"""DINOv2's published weights, and upstream's names (dinov2_vitb14_*.pth) turned into the hub's."""

import math
import re
from typing import Any

from torch import Tensor

from kapbench_baselines.vit.checkpoint import Checkpoint
from kapbench_baselines.vit.tensors import n_blocks, split_qkv

# name on the hub, channels
SIZES = {
    "vits14": ("small", 384),
    "vitb14": ("base", 768),
    "vitl14": ("large", 1024),
    "vitg14": ("giant", 1536),
}
CHANNELS_PER_HEAD = 64  # in every DINOv2
# Upstream's names to the hub's: from_pretrained maps those on to the names of its version.
RENAMED = (
    (r"^pos_embed$", "position_embeddings"),
    (r"^patch_embed\.proj\.", "patch_embeddings.projection."),
    (r"^(cls_token|mask_token|register_tokens|position_emb|patch_emb)", r"embeddings.\1"),
    (r"^blocks\.(?:\d+\.)?(\d+)\.", r"encoder.layer.\1."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.(query|key|value)\.", r".attention.attention.\1."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
    (r"\.mlp\.w12\.", ".mlp.weights_in."),
    (r"\.mlp\.w3\.", ".mlp.weights_out."),
    (r"^norm\.", "layernorm."),
)


def checkpoint(tag: str) -> Checkpoint:
    """
    Args:
        tag: vits14, vitb14, vitl14 or vitg14, with `reg` behind it for the models with registers.
    """
    registers = tag.endswith("reg")
    size, channels = SIZES[tag[:6]]
    return Checkpoint(
        name=f"dinov2.{tag}",
        kind="Dinov2WithRegistersModel" if registers else "Dinov2Model",
        hub=f"facebook/dinov2-{'with-registers-' * registers}{size}",
        file=f"dinov2_{tag[:6]}_{'reg4_' * registers}pretrain.pth",
        page="https://github.com/facebookresearch/dinov2",
        licence="Apache-2.0",
        expected={"hidden_size": channels},
        needed=("cls_token", "position_embeddings", "patch_embeddings.projection.weight"),
        rename=renamed,
        settings=settings,
        model_type=lambda state: "dinov2_with_registers" if _registers(state) else "dinov2",
    )


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Upstream's names and joined query, key and value to the hub's; other names stay."""
    found = {}
    for name, value in split_qkv(state, ("query", "key", "value")).items():
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901
        found[name] = value
    return found


def settings(state: dict[str, Tensor]) -> dict[str, Any]:
    """Configuration, from the tensors' shapes."""
    embeddings = {k.removeprefix("embeddings."): v for k, v in state.items()}
    projection = embeddings["patch_embeddings.projection.weight"]
    channels, patch = projection.shape[0], projection.shape[-1]
    found = {
        "hidden_size": channels,
        "num_attention_heads": max(1, channels // CHANNELS_PER_HEAD),
        "num_hidden_layers": n_blocks(state),
        "patch_size": patch,
        "image_size": math.isqrt(embeddings["position_embeddings"].shape[1] - 1) * patch,
        "use_swiglu_ffn": any(".mlp.weights_in." in k or ".mlp.gate_proj." in k for k in state),
    }
    if n_registers := _registers(state):
        found["num_register_tokens"] = n_registers
    return found


def _registers(state: dict[str, Tensor]) -> int:
    found = state.get("embeddings.register_tokens")
    return 0 if found is None else found.shape[1]
