"""DINO's features, by default the dense descriptors of Amir et al. 2022.

Weights: Caron et al. 2021. Descriptors: "Deep ViT features as dense visual descriptors": keys of
block 9, patches that overlap.
"""

import functools
import math
import re
from typing import Any

from torch import Tensor

from kapbench_baselines.vit.checkpoint import Checkpoint, n_blocks, split_qkv
from kapbench_baselines.vit.facets import Facet
from kapbench_baselines.vit.frozen_vit import FrozenViT
from kapbench_baselines.vit.overlapping_patches import check_fit, upstream_positions
from kapbench_baselines.vit.weights import load

# channels, patch, upstream's file
SIZES = {
    "vits8": (384, 8, "dino_deitsmall8_pretrain.pth"),
    "vits16": (384, 16, "dino_deitsmall16_pretrain.pth"),
    "vitb8": (768, 8, "dino_vitbase8_pretrain.pth"),
    "vitb16": (768, 16, "dino_vitbase16_pretrain.pth"),
}
CHANNELS_PER_HEAD = 64
# Upstream's names to the hub's: from_pretrained maps those on to the names of its version.
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


class Dino(FrozenViT):
    """A frozen DINO.

    Args:
        tag: vits8, vits16, vitb8 or vitb16.
        weights: A folder in transformers' format, a .safetensors file, or upstream's .pth; None:
            the hub's facebook/dino-… .
        layer: Of queries, keys and values the number of the block, from 0, as Amir et al. count;
            of tokens the index into the hidden states: 0 the embeddings, 12 or -1 the last block's
            output before the final norm.
        facet: token, query, key or value.
        stride: Pixels from patch to patch, a divisor of the patch; None: half the patch.
        image_px: Side of the letterbox: a patch and any number of strides.

    Raises:
        KapbenchError: transformers or the weights are not there, or are those of another model.
    """

    trained_on = "ImageNet-1k images, self-supervised"

    def __init__(
        self,
        tag: str,
        weights: str | None = None,
        layer: int = 9,
        facet: Facet = "key",
        stride: int | None = None,
        image_px: int = 224,
        device: str = "cpu",
    ) -> None:
        found, patch = checkpoint(tag), SIZES[tag][1]
        step = patch // 2 if stride is None else int(stride)
        check_fit(found.name, int(image_px), patch, step)
        net, origin = load(found, weights)
        net.embeddings.interpolate_pos_encoding = upstream_positions(net.embeddings)
        super().__init__(
            found.name, net, origin, layer=layer, facet=facet,
            stride=step, image_px=image_px, device=device,
        )  # fmt: skip


def checkpoint(tag: str) -> Checkpoint:
    channels, patch, file = SIZES[tag]
    return Checkpoint(
        name=f"dino.{tag}",
        kind="ViTModel",
        hub=f"facebook/dino-{tag}",
        file=file,
        page="https://github.com/facebookresearch/dino",
        licence="Apache-2.0",
        expected={"hidden_size": channels, "patch_size": patch},
        needed=("cls_token", "position_embeddings", "patch_embeddings.projection.weight"),
        rename=renamed,
        settings=settings,
        model_type=lambda _: "vit",
        forced={"layer_norm_eps": 1e-6},  # the hub's configurations say 1e-12
        arguments={"add_pooling_layer": False},
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
    wide = (".intermediate.dense.bias", ".mlp.fc1.bias")
    return {
        "hidden_size": channels,
        "num_attention_heads": max(1, channels // CHANNELS_PER_HEAD),
        "num_hidden_layers": n_blocks(state),
        "intermediate_size": next((len(v) for k, v in state.items() if k.endswith(wide)), 1),
        "patch_size": patch,
        "image_size": math.isqrt(embeddings["position_embeddings"].shape[1] - 1) * patch,
    }


vits8 = functools.partial(Dino, "vits8")
vits16 = functools.partial(Dino, "vits16")
vitb8 = functools.partial(Dino, "vitb8")
vitb16 = functools.partial(Dino, "vitb16")
