"""The architectures of presets with random weights: true width, two thin blocks, on disk."""

import re
from argparse import Namespace

import pytest
import torch
from importing import imported_timm

from kapbench_baselines.vit.preset_table import PRESETS, ROWS

THIN = {"num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 32}
FIRST = {row.name.partition(".")[0]: row.name for row in reversed(ROWS)}  # of each family
SIDE = {16: 64, 14: 56}  # px that the networks are made for, by their patch


def configured(name, side=None):
    """transformers' own network of a preset, made for `side` pixels; every tensor random."""
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    preset = PRESETS[name]
    side = side or SIDE[preset.patch]
    kind = getattr(transformers, preset.family.kind)
    settings = THIN | {
        "hidden_size": preset.channels,
        "patch_size": preset.patch,
        "image_size": side,
        "num_attention_heads": preset.channels // 64,
        "layer_norm_eps": 1e-6,
    }
    more = {
        "SamVisionModel": {"window_size": 2, "global_attn_indexes": [1], "mlp_dim": 32},
        "VJEPA2Model": {"crop_size": side, "mlp_ratio": 0.1, "frames_per_clip": 2}
        | {"pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1},
        "Dinov2WithRegistersModel": {"mlp_ratio": 1, "num_register_tokens": 4},
        "RadioModel": {"max_img_size": 2 * side, "mlp_ratio": 0.1},
    }
    arguments = {"add_pooling_layer": False} if preset.family.kind == "ViTModel" else {}
    if preset.family.kind in ("VJEPA2Model", "Dinov2WithRegistersModel", "RadioModel"):
        del settings["intermediate_size"]
    torch.manual_seed(0)
    config = kind.config_class(**settings | more.get(preset.family.kind, {}))
    return randomised(kind(config, **arguments)).eval()


def randomised(net):
    with torch.no_grad():
        for value in net.parameters():
            value.add_(0.02 * torch.randn_like(value))
    return net


def own_weights(name, folder):
    """The network of a preset, and the path of its weights as they are published."""
    library = PRESETS[name].family.library
    path = folder / f"{name}{'' if library == 'transformers' else '.safetensors'}"
    if library == "timm":
        return timm_weights(name, path)
    net = configured(name)
    if library == "transformers":
        net.save_pretrained(path)
    elif name.startswith("dune"):
        path = path.with_suffix(".pth")
        named = {f"module.encoder.{key}": v for key, v in upstream(net).items()}
        options = Namespace(arch="vit", image_size=56, enc_args={"num_register_tokens": 4})
        torch.save({"model": named, "args": options, "iter": 7}, path)
    elif name.startswith("ibot"):
        path = path.with_suffix(".pth")
        torch.save({"state_dict": upstream(net)}, path)
    else:
        saved(path, upstream(net), name)
    return net, path


def saved(path, state, name):
    from safetensors.torch import save_file

    beneath = "aggregator.patch_embed." if name.startswith("vggt") else "radio_model.model."
    own = {f"{'' if k.startswith('radio') else beneath}{k}": v for k, v in state.items()}
    save_file(own | {"camera_head.trunk.weight": torch.ones(2)}, path)


def timm_weights(name, path):
    from safetensors.torch import save_file

    timm = imported_timm()
    torch.manual_seed(0)
    net = timm.create_model(PRESETS[name].source, num_classes=0, dynamic_img_size=True).eval()
    save_file(randomised(net).state_dict(), path)
    return net, path


def upstream(net):
    """The network's tensors under the names of iBOT and DINO, DINOv2 or RADIO."""
    state = dict(net.state_dict())
    for name in [name for name in state if re.search(r"\b(query|q_proj)\.", name)]:
        q = "query" if "query" in name else "q_proj"
        parts = ("query", "key", "value") if q == "query" else ("q_proj", "k_proj", "v_proj")
        joined = torch.cat([state.pop(name.replace(q, part)) for part in parts])
        state[name.replace(q, "qkv")] = joined
    named = {}
    for name, value in state.items():
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901
        named[name] = value
    return named


RENAMED = (
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.position_embedding$", "patch_generator.pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.patch_projection\.", "patch_generator.embedder."),
    (r"^embeddings\.cls_register_token$", "patch_generator.cls_token.token"),
    (r"^embeddings\.", ""),
    (r"^(?:encoder\.layer|layers|model\.layer)\.(\d+)\.", r"blocks.\1."),
    (r"\.attention\.attention\.qkv\.", ".attn.qkv."),
    (r"\.attention\.qkv\.", ".attn.qkv."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
    (r"^input_conditioner\.", "radio_model.input_conditioner."),
    (r"^summary_idxs$", "radio_model.summary_idxs"),
)
