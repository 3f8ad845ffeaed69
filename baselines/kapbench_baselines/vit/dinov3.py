"""DINOv3 patch tokens (Siméoni et al. 2025), read as DINOv2's are: before the final norm."""

import re
from functools import partial
from typing import Any

from torch import Tensor

from kapbench_baselines.vit.checkpoint import Checkpoint, n_blocks
from kapbench_baselines.vit.frozen_vit import FrozenViT

PATCH = 16
# channels, heads, whether the feed-forward layers are gated, hash in the name of upstream's file
SIZES = {
    "vits16": (384, 6, False, "08c60483"),
    "vits16plus": (384, 6, True, "4057cbaa"),
    "vitb16": (768, 12, False, "73cec8be"),
    "vitl16": (1024, 16, False, "8aa4cbdd"),
    "vith16plus": (1280, 20, True, "7c1da9a5"),
    "vit7b16": (4096, 32, True, "a955f4ea"),
}
RENAMED = (
    (r"^storage_tokens$", "register_tokens"),
    (r"^patch_embed\.proj\.", "patch_embeddings."),
    (r"^(cls_token|register_tokens|patch_embeddings)\b", r"embeddings.\1"),
    (r"^blocks\.(\d+)\.", r"layer.\1."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.attn\.([qkv]_proj)\.", r".attention.\1."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
    (r"\.mlp\.(w1)\.", ".mlp.gate_proj."),
    (r"\.mlp\.(fc1|w2)\.", ".mlp.up_proj."),
    (r"\.mlp\.(fc2|w3)\.", ".mlp.down_proj."),
)
# Upstream masks the keys' bias to zero, the hub's model has none; its rotation's periods follow
# from the configuration; mask token and the norm of local crops serve training.
DROPPED = re.compile(r"bias_mask$|\.k_proj\.bias$|^rope_embed\.|^mask_token$|^local_cls_norm\.")


def checkpoint(tag: str) -> Checkpoint:
    channels, heads, gated, digest = SIZES[tag]
    return Checkpoint(
        family="DINOv3",
        name=f"dinov3.{tag}",
        kind="DINOv3ViTModel",
        hub=f"facebook/dinov3-{tag}-pretrain-lvd1689m",
        file=f"dinov3_{tag}_pretrain_lvd1689m-{digest}.pth",
        page="https://github.com/facebookresearch/dinov3",
        licence="DINOv3 License, which must be accepted",
        trained_on="LVD-1689M images, self-supervised",
        patch=PATCH,
        expected={"hidden_size": channels, "use_gated_mlp": gated},
        needed=("cls_token", "register_tokens", "patch_embeddings.weight"),
        qkv=("q_proj", "k_proj", "v_proj"),
        renamed=RENAMED,
        dropped=DROPPED,
        settings=partial(settings, heads=heads),
        model_type=lambda _: "dinov3_vit",
        digits=digest,
        gated=True,
    )


def settings(state: dict[str, Tensor], heads: int) -> dict[str, Any]:
    """Configuration, from the tensors' names and shapes; rotation and epsilon are upstream's."""
    embeddings = {k.removeprefix("embeddings."): v for k, v in state.items()}
    projection = embeddings["patch_embeddings.weight"]
    parts = (".q_proj.bias", ".v_proj.bias", ".o_proj.bias", ".up_proj.bias", ".gate_proj.")
    has = {part: any(part in name for name in state) for part in parts}
    wide = (len(v) for k, v in state.items() if k.endswith(".up_proj.weight"))
    return {
        "hidden_size": projection.shape[0],
        "num_attention_heads": heads,
        "num_hidden_layers": n_blocks(state),
        "intermediate_size": next(wide, 1),
        "num_register_tokens": embeddings["register_tokens"].shape[1],
        "patch_size": projection.shape[-1],
        "query_bias": has[".q_proj.bias"],
        "key_bias": False,
        "value_bias": has[".v_proj.bias"],
        "proj_bias": has[".o_proj.bias"],
        "mlp_bias": has[".up_proj.bias"],
        "use_gated_mlp": has[".gate_proj."],
        "hidden_act": "silu" if has[".gate_proj."] else "gelu",
        "rope_theta": 100.0,
        "layer_norm_eps": 1e-5,
    }


vits16, vits16plus, vitb16, vitl16, vith16plus, vit7b16 = (
    partial(FrozenViT, checkpoint(tag), image_px=960) for tag in SIZES
)
