"""Upstream's own files of iBOT, DUNE, VGGT and RADIO, read into networks of transformers.

Layouts: bytedance/ibot (its backbone is DINO's), naver/dune @model/, facebookresearch/vggt
@vggt/models/aggregator.py (its encoder is DINOv2 with registers), NVlabs/RADIO.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench_baselines.vit import dino, dinov2
from kapbench_baselines.vit.checkpoint import Checkpoint, n_blocks
from kapbench_baselines.vit.preset_table import Preset

DUNE_FILES = "https://download.europe.naverlabs.com/dune"
RADIO_RENAMED = (
    (r"^patch_generator\.embedder\.", "embeddings.patch_projection."),
    (r"^patch_generator\.pos_embed$", "embeddings.position_embedding"),
    (r"^patch_generator\.cls_token\.token$", "embeddings.cls_register_token"),
    (r"^blocks\.(\d+)\.", r"encoder.layer.\1."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.attn\.([qkv]_proj)\.", r".attention.\1."),
    (r"\.ls([12])\.(gamma|grandma)$", r".layer_scale\1.lambda1"),
)
# A final norm that no feature passes, patches of films, and what the summary is made of.
RADIO_DROPPED = re.compile(r"^norm\.|^patch_generator\.video_embedder\.|^summary_idxs$")
RADIO_BLOCK = re.compile(
    r"^encoder\.layer\.\d+\.(norm[12]|attention\.[qkvo]_proj|mlp\.fc[12])\.(weight|bias)$"
    r"|^encoder\.layer\.\d+\.layer_scale[12]\.lambda1$|^(?!encoder\.layer\.)"
)
RADIO_HEADS = {768: 12, 1024: 16, 1152: 16, 1280: 16, 1536: 24}  # by channels


def checkpoint(preset: Preset) -> Checkpoint:
    """What is published of a preset whose library is "file"."""
    makers: dict[str, Callable[[Preset, dict[str, Any]], Checkpoint]] = {
        "ViTModel": _ibot,
        "Dinov2WithRegistersModel": _dinov2_shaped,
        "RadioModel": _radio,
    }
    family = preset.family
    shared: dict[str, Any] = {
        "family": family.title,
        "name": preset.name,
        "kind": family.kind,
        "hub": "",
        "file": preset.source,
        "page": family.page,
        "licence": preset.licence,
        "trained_on": family.trained_on,
        "patch": preset.patch,
        "expected": {"hidden_size": preset.channels},
        "mean": family.levels[0],
        "std": family.levels[1],
        "supervision": family.supervision,
    }
    return makers[family.kind](preset, shared)


def _ibot(_: Preset, shared: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        **shared,
        needed=("cls_token", "position_embeddings", "patch_embeddings.projection.weight"),
        qkv=("query", "key", "value"),
        renamed=dino.RENAMED,
        dropped=re.compile(r"^head\.|^masked_embed$"),
        settings=dino.settings,
        model_type=lambda _: "vit",
        upstream_positions=True,
        forced={"layer_norm_eps": 1e-6},
        arguments={"add_pooling_layer": False},
        inside="state_dict",
        own_part=re.compile(r"^(?:module\.|backbone\.)*(?!head\.)(.+)$"),
    )


def _dinov2_shaped(preset: Preset, shared: dict[str, Any]) -> Checkpoint:
    """DUNE's encoder, and the one within VGGT's aggregator."""
    if preset.name.startswith("dune."):
        shared |= {"page": DUNE_FILES}
        more: dict[str, Any] = {
            "inside": "model",
            "own_part": re.compile(r"^(?:module\.|_orig_mod\.)*encoder\.(?!layer\.)(.+)$"),
            "upstream_positions": True,  # scaled by n + 0.1, without antialiasing
        }
    else:
        shared |= {"hub": preset.source, "file": "model.safetensors"}
        more = {
            "hub_file": "model.safetensors",
            "own_part": re.compile(r"^(?:module\.)?aggregator\.patch_embed\.(.+)$"),
        }
    return Checkpoint(
        **shared,
        **more,
        needed=("cls_token", "register_tokens", "position_embeddings"),
        qkv=("query", "key", "value"),
        renamed=dinov2.RENAMED,
        settings=dinov2.settings,
        model_type=lambda state: "dinov2_with_registers" if dinov2.n_registers(state) else "dinov2",
    )


def _radio(preset: Preset, shared: dict[str, Any]) -> Checkpoint:
    shared |= {"hub": preset.source, "file": "model.safetensors"}
    return Checkpoint(
        **shared,
        needed=("cls_register_token", "position_embedding", "patch_projection.weight"),
        qkv=("q_proj", "k_proj", "v_proj"),
        renamed=RADIO_RENAMED,
        dropped=RADIO_DROPPED,
        settings=_radio_settings,
        model_type=lambda _: "radio",
        hub_file="model.safetensors",
        own_part=re.compile(r"^radio_model\.(?:model\.)?(.+)$"),
        completed=_radio_completed,
    )


def _radio_settings(state: dict[str, Tensor]) -> dict[str, Any]:
    """Configuration, from the tensors' shapes."""
    channels, values = state["embeddings.patch_projection.weight"].shape
    patch = math.isqrt(values // 3)
    n_side = math.isqrt(state["embeddings.position_embedding"].shape[1])
    width = len(state["encoder.layer.0.mlp.fc1.bias"])
    conditioner = {
        f"norm_{key}": value.flatten().tolist()
        for key in ("mean", "std")
        if (value := state.get(f"input_conditioner.norm_{key}")) is not None
    }
    return {
        "hidden_size": channels,
        "num_attention_heads": RADIO_HEADS.get(channels, 1),
        "num_hidden_layers": n_blocks(state),
        "mlp_ratio": (width + 0.5) / channels,  # rounded down to the width
        "patch_size": patch,
        "max_img_size": n_side * patch,
        "num_cls_tokens": len(state["embeddings.cls_register_token"]),
        "num_registers": 0,  # counted with the class tokens: both are left out alike
        "summary_idxs": [0],
        **conditioner,
    }


def _radio_completed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """With layer scales of 1, where upstream has none, and what only the summary needs.

    Raises:
        KapbenchError: a block has tensors that transformers' RADIO would leave unread.
    """
    if unread := [name for name in state if not RADIO_BLOCK.match(name)]:
        raise KapbenchError(
            f"This RADIO is of another layout: transformers has no tensor '{unread[0]}'",
            fix="Choose another model of the family, or write an adapter: a class with encode()",
        )
    if "embeddings.patch_projection.weight" not in state:
        return state
    channels = state["embeddings.patch_projection.weight"].shape[0]
    scales = {
        f"encoder.layer.{i}.layer_scale{n}.lambda1": torch.ones(channels)
        for i in range(n_blocks(state))
        for n in (1, 2)
    }
    return {**scales, "summary_idxs": torch.zeros(1, dtype=torch.long), **state}
