"""DINOv3 patch tokens (Siméoni et al. 2025), read as DINOv2's are: before the final norm."""

import functools
import re
from typing import Any

from torch import Tensor

from kapbench_baselines.vit.checkpoint import Checkpoint, n_blocks, split_qkv
from kapbench_baselines.vit.facets import Facet
from kapbench_baselines.vit.frozen_vit import FrozenViT
from kapbench_baselines.vit.overlapping_patches import check_fit
from kapbench_baselines.vit.weights import load

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
# Upstream's names to the hub's: from_pretrained maps those on to the names of its version.
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


class Dinov3(FrozenViT):
    """A frozen DINOv3 vision transformer.

    Args:
        tag: vits16, vits16plus, vitb16, vitl16, vith16plus or vit7b16; weights of LVD-1689M.
        weights: A folder in transformers' format, a .safetensors file, or upstream's .pth; None:
            the hub's facebook/dinov3-…-pretrain-lvd1689m, to which access must have been granted.
        layer: Index into the hidden states; -1 is the last block's output, before the final norm.
            For queries, keys and values the number of the block, from 0.
        facet: token, query, key or value; queries and keys before the rotation.
        stride: Pixels from patch to patch, a divisor of the patch; None: the patch.
        image_px: Side of the letterbox; a multiple of the patch where patches do not overlap.

    Raises:
        KapbenchError: transformers or the weights are not there, or are those of another model.
    """

    trained_on = "LVD-1689M images, self-supervised"

    def __init__(
        self,
        tag: str,
        weights: str | None = None,
        layer: int = -1,
        facet: Facet = "token",
        stride: int | None = None,
        image_px: int = 960,
        device: str = "cpu",
    ) -> None:
        found = checkpoint(tag)
        check_fit(found.name, int(image_px), PATCH, PATCH if stride is None else int(stride))
        net, origin = load(found, weights)
        super().__init__(
            found.name, net, origin, layer=layer, facet=facet, stride=stride, image_px=image_px,
            device=device,
        )  # fmt: skip


def checkpoint(tag: str) -> Checkpoint:
    channels, heads, gated, digest = SIZES[tag]
    return Checkpoint(
        name=f"dinov3.{tag}",
        kind="DINOv3ViTModel",
        hub=f"facebook/dinov3-{tag}-pretrain-lvd1689m",
        file=f"dinov3_{tag}_pretrain_lvd1689m-{digest}.pth",
        page="https://github.com/facebookresearch/dinov3",
        licence="DINOv3 License, which must be accepted",
        digits=digest,
        gated=True,
        expected={"hidden_size": channels, "use_gated_mlp": gated, "patch_size": PATCH},
        needed=("cls_token", "register_tokens", "patch_embeddings.weight"),
        rename=renamed,
        settings=functools.partial(settings, heads=heads),
        model_type=lambda _: "dinov3_vit",
    )


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Upstream's names and joined query, key and value to the hub's; other names stay."""
    found = {}
    for name, value in split_qkv(state, ("q_proj", "k_proj", "v_proj")).items():
        if DROPPED.search(name):
            continue
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901
        found[name] = value
    return found


def settings(state: dict[str, Tensor], heads: int) -> dict[str, Any]:
    """Configuration, from the tensors' names and shapes; rotation and epsilon are upstream's."""
    embeddings = {k.removeprefix("embeddings."): v for k, v in state.items()}
    projection = embeddings["patch_embeddings.weight"]
    has = {part: any(part in name for name in state) for part in (
        ".q_proj.bias", ".v_proj.bias", ".o_proj.bias", ".up_proj.bias", ".gate_proj."
    )}  # fmt: skip
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


vits16 = functools.partial(Dinov3, "vits16")
vits16plus = functools.partial(Dinov3, "vits16plus")
vitb16 = functools.partial(Dinov3, "vitb16")
vitl16 = functools.partial(Dinov3, "vitl16")
vith16plus = functools.partial(Dinov3, "vith16plus")
vit7b16 = functools.partial(Dinov3, "vit7b16")
