"""DINOv2 patch tokens through transformers, exactly as the published runs of this field read them.

840 px letterbox, 60×60 tokens of the last block before the final norm (Oquab et al. 2023; with
registers: Darcet et al. 2023).
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

PATCH = 14


class Dinov2(FrozenViT):
    """A frozen DINOv2.

    Args:
        tag: vits14, vitb14, vitl14 or vitg14, with `reg` behind it for the models with registers.
        weights: A folder in transformers' format, a .safetensors file, or upstream's .pth; None:
            the hub's facebook/dinov2-… .
        layer: Index into the hidden states; -1 is the last block's output, before the final norm.
            For queries, keys and values the number of the block, from 0.
        facet: token, query, key or value.
        stride: Pixels from patch to patch, a divisor of the patch; None: the patch.
        image_px: Side of the letterbox; a multiple of the patch where patches do not overlap.

    Raises:
        KapbenchError: transformers or the weights are not there, or are those of another model.
    """

    trained_on = "LVD-142M images, self-supervised"

    def __init__(
        self,
        tag: str,
        weights: str | None = None,
        layer: int = -1,
        facet: Facet = "token",
        stride: int | None = None,
        image_px: int = 840,
        device: str = "cpu",
    ) -> None:
        found = checkpoint(tag)
        check_fit(found.name, int(image_px), PATCH, PATCH if stride is None else int(stride))
        net, origin = load(found, weights)
        if not tag.endswith("reg"):  # those scale to the exact size upstream too
            net.embeddings.interpolate_pos_encoding = upstream_positions(net.embeddings)
        super().__init__(
            found.name, net, origin, layer=layer, facet=facet, stride=stride, image_px=image_px,
            device=device,
        )  # fmt: skip


vits14 = functools.partial(Dinov2, "vits14")
vitb14 = functools.partial(Dinov2, "vitb14")
vitl14 = functools.partial(Dinov2, "vitl14")
vitg14 = functools.partial(Dinov2, "vitg14")
vits14reg = functools.partial(Dinov2, "vits14reg")
vitb14reg = functools.partial(Dinov2, "vitb14reg")
vitl14reg = functools.partial(Dinov2, "vitl14reg")
vitg14reg = functools.partial(Dinov2, "vitg14reg")


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
