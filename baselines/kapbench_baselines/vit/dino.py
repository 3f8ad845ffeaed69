"""DINO's features, by default the dense descriptors of Amir et al. 2022.

Weights: Caron et al. 2021. Descriptors: "Deep ViT features as dense visual descriptors": keys of
block 9, patches that overlap by half.
"""

from functools import partial
from typing import Any

from torch import Tensor

from kapbench_baselines.vit.checkpoint import Checkpoint, table_settings
from kapbench_baselines.vit.frozen_vit import FrozenViT

# channels, patch, upstream's file
SIZES = {
    "vits8": (384, 8, "dino_deitsmall8_pretrain.pth"),
    "vits16": (384, 16, "dino_deitsmall16_pretrain.pth"),
    "vitb8": (768, 8, "dino_vitbase8_pretrain.pth"),
    "vitb16": (768, 16, "dino_vitbase16_pretrain.pth"),
}
RENAMED = (
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^cls_token$", "embeddings.cls_token"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^blocks\.(\d+)\.", r"encoder.layer.\1."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.(query|key|value)\.", r".attention.attention.\1."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"^norm\.", "layernorm."),
)


def checkpoint(tag: str) -> Checkpoint:
    channels, patch, file = SIZES[tag]
    return Checkpoint(
        family="DINO",
        name=f"dino.{tag}",
        kind="ViTModel",
        hub=f"facebook/dino-{tag}",
        file=file,
        page="https://github.com/facebookresearch/dino",
        licence="Apache-2.0",
        trained_on="ImageNet-1k images, self-supervised",
        patch=patch,
        expected={"hidden_size": channels},
        needed=("cls_token", "position_embeddings", "patch_embeddings.projection.weight"),
        qkv=("query", "key", "value"),
        renamed=RENAMED,
        settings=settings,
        model_type=lambda _: "vit",
        overlap=2,
        upstream_positions=True,
        forced={"layer_norm_eps": 1e-6},  # the hub's configurations have 1e-12
        arguments={"add_pooling_layer": False},
    )


def settings(state: dict[str, Tensor]) -> dict[str, Any]:
    """Configuration, from the tensors' shapes."""
    wide = (".intermediate.dense.bias", ".mlp.fc1.bias")
    width = next((len(v) for k, v in state.items() if k.endswith(wide)), 1)
    return table_settings(state) | {"intermediate_size": width}


vits8, vits16, vitb8, vitb16 = (
    partial(FrozenViT, checkpoint(tag), layer=9, facet="key", image_px=224) for tag in SIZES
)
