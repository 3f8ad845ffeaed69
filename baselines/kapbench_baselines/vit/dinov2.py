"""DINOv2 patch tokens through transformers, exactly as the published runs of this field read them.

840 px letterbox, 60×60 tokens of the last block before the final norm (Oquab et al. 2023; with
registers: Darcet et al. 2023).
"""

from functools import partial
from typing import Any

from torch import Tensor

from kapbench_baselines.vit.checkpoint import Checkpoint, table_settings
from kapbench_baselines.vit.frozen_vit import FrozenViT

PATCH = 14
# name on the hub, channels
SIZES = {
    "vits14": ("small", 384),
    "vitb14": ("base", 768),
    "vitl14": ("large", 1024),
    "vitg14": ("giant", 1536),
}
REGISTERS = "reg"  # behind the tags of the models with registers
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
    plain = tag.removesuffix(REGISTERS)
    registers = tag != plain
    size, channels = SIZES[plain]
    return Checkpoint(
        family="DINOv2",
        name=f"dinov2.{tag}",
        kind="Dinov2WithRegistersModel" if registers else "Dinov2Model",
        hub=f"facebook/dinov2-{'with-registers-' * registers}{size}",
        file=f"dinov2_{plain}_{'reg4_' * registers}pretrain.pth",
        page="https://github.com/facebookresearch/dinov2",
        licence="Apache-2.0",
        trained_on="LVD-142M images, self-supervised",
        patch=PATCH,
        expected={"hidden_size": channels},
        needed=("cls_token", "position_embeddings", "patch_embeddings.projection.weight"),
        qkv=("query", "key", "value"),
        renamed=RENAMED,
        settings=settings,
        model_type=lambda state: "dinov2_with_registers" if n_registers(state) else "dinov2",
        upstream_positions=not registers,  # with registers, upstream scales to the exact size too
    )


def settings(state: dict[str, Tensor]) -> dict[str, Any]:
    """Configuration, from the tensors' shapes."""
    gated = any(".mlp.weights_in." in k or ".mlp.gate_proj." in k for k in state)
    n = n_registers(state)
    more = {"num_register_tokens": n} if n else {}
    plain = table_settings(state)
    wide = next((len(v) for k, v in state.items() if k.endswith(".mlp.fc1.bias")), None)
    if wide is not None:
        more["mlp_ratio"] = wide // plain["hidden_size"]
    return plain | {"use_swiglu_ffn": gated} | more


def n_registers(state: dict[str, Tensor]) -> int:
    tokens = state.get("embeddings.register_tokens")
    return 0 if tokens is None else tokens.shape[1]


vits14, vitb14, vitl14, vitg14 = (partial(FrozenViT, checkpoint(tag)) for tag in SIZES)
vits14reg, vitb14reg, vitl14reg, vitg14reg = (
    partial(FrozenViT, checkpoint(tag + REGISTERS)) for tag in SIZES
)
