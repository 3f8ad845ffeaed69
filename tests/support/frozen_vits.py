"""Random DINO, DINOv2 and DINOv3 on disk, as transformers keeps them, and in upstream's layout."""

import re

import numpy as np
import pytest
import torch
from upstream_dinov2 import antialiased_axis, offset_axis

from kapbench.loading import load_model
from kapbench.models.letterbox import letterboxed

transformers = pytest.importorskip("transformers", reason="needs the extra hf")
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
KINDS = {
    "dino": ("ViTModel", "ViTConfig"),
    "dinov2": ("Dinov2Model", "Dinov2Config"),
    "dinov2reg": ("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig"),
    "dinov3": ("DINOv3ViTModel", "DINOv3ViTConfig"),
}


def made(family, patch, side, depth=2, seed=0, **settings):
    """transformers' own network, made for `side` pixels; every tensor random."""
    model, config = (getattr(transformers, name) for name in KINDS[family])
    given = {
        "hidden_size": 384,
        "num_attention_heads": 6,
        "num_hidden_layers": depth,
        "intermediate_size": 768,
        "image_size": side,
        "patch_size": patch,
        "layer_norm_eps": 1e-6,
    }
    if family.startswith("dinov2"):
        given["mlp_ratio"] = 2
        del given["intermediate_size"]
    if family == "dinov3":
        given |= {"num_register_tokens": 4, "layer_norm_eps": 1e-5}
    arguments = {"add_pooling_layer": False} if family == "dino" else {}
    net = model(config(**given | settings), **arguments).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(noise if "embeddings." in name and value.ndim < 4 else 0.05 * noise)
            if value.ndim == 1 and ("norm" in name or "lambda" in name) and "bias" not in name:
                value.add_(1)
    return net


def prepared(shown, side):
    """Letterboxed and normalised as ImageNet's statistics say: [1 3 side side]."""
    pixels = torch.tensor(letterboxed(shown, side)).permute(2, 0, 1)[None].float() / 255
    return (pixels - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)


def at_native_size(net, family, side):
    """The same network made for `side` pixels: its table resized here, so that transformers has
    nothing to interpolate."""
    patch = net.config.patch_size
    table = net.embeddings.position_embeddings
    n_in, n_out = round((table.shape[1] - 1) ** 0.5), side // patch
    if n_in == n_out:
        return net
    axis = (antialiased_axis if family == "dinov2reg" else offset_axis)(n_in, n_out)
    grid = table[0, 1:].detach().view(n_in, n_in, -1).double().numpy()
    resized = np.einsum("ia,jb,abc->ijc", axis, axis, grid, optimize=True)
    patches = torch.from_numpy(resized).float().flatten(0, 1)[None]
    config = type(net.config).from_dict(net.config.to_dict() | {"image_size": side})
    arguments = {"add_pooling_layer": False} if family == "dino" else {}
    native = type(net)(config, **arguments).eval()
    state = net.state_dict()
    state["embeddings.position_embeddings"] = torch.cat([table[:, :1].detach(), patches], dim=1)
    native.load_state_dict(state)
    return native


def reference(net, pixels, layer, facet):
    """From transformers' own forward: its hidden states, or what its projections return."""
    seen = []
    letter = {"query": "q", "key": "k", "value": "v"}.get(facet)
    if letter is None:
        with torch.inference_mode():
            tokens = net(pixel_values=pixels, output_hidden_states=True).hidden_states[layer]
    else:
        [linear] = [
            m
            for n, m in net.named_modules()
            if re.search(rf"layers?\.{layer}\..*\b{letter}_proj$", n)
        ]
        linear.register_forward_hook(lambda _m, _i, out: seen.append(out))
        with torch.inference_mode():
            net(pixel_values=pixels)
        tokens = seen[0]
    skip = 1 + getattr(net.config, "num_register_tokens", 0)
    return tokens[0, skip:].T.numpy()


def offline(name, path, **options):
    return load_model(name, weights=str(path), device="cpu", **options)


def upstream_state(net, family):
    """The network's tensors as upstream's file has them."""
    return (_dino if family == "dino" else _dinov3)(net.state_dict())


def _joined(state, prefix, part):
    names = [f"{prefix}.attention.{p}_proj.{part}" for p in "qkv"]
    first = state[names[0]]
    return torch.cat([state.get(name, torch.full_like(first, 7.0)) for name in names])


def _dino(state):
    named = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
    }
    found = {ours: state[theirs] for ours, theirs in named.items()}
    parts = {
        "attn.proj": "attention.o_proj",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    return found | _blocks(state, "layers", parts)


def _dinov3(state):
    named = {
        "cls_token": "embeddings.cls_token",
        "storage_tokens": "embeddings.register_tokens",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.bias",
        "norm.weight": "norm.weight",
        "norm.bias": "norm.bias",
    }
    found = {ours: state[theirs] for ours, theirs in named.items()}
    width = found["cls_token"].shape[-1]
    found |= {
        "mask_token": torch.zeros(1, width),
        "rope_embed.periods": torch.ones(16),
        "local_cls_norm.weight": torch.ones(width),
        "local_cls_norm.bias": torch.zeros(width),
    }
    parts = {"attn.proj": "attention.o_proj", "norm1": "norm1", "norm2": "norm2"}
    gated = any("gate_proj" in name for name in state)
    parts |= (
        {"mlp.w1": "mlp.gate_proj", "mlp.w2": "mlp.up_proj", "mlp.w3": "mlp.down_proj"}
        if gated
        else {"mlp.fc1": "mlp.up_proj", "mlp.fc2": "mlp.down_proj"}
    )
    blocks = _blocks(state, "model.layer", parts)
    for i in range(depth_of(state, "model.layer")):
        if (bias := blocks.get(f"blocks.{i}.attn.qkv.bias")) is not None:
            blocks[f"blocks.{i}.attn.qkv.bias_mask"] = (bias != 7).float()
        for n in (1, 2):
            blocks[f"blocks.{i}.ls{n}.gamma"] = state[f"model.layer.{i}.layer_scale{n}.lambda1"]
    return found | blocks


def depth_of(state, stack):
    return len({m[1] for name in state if (m := re.match(rf"{re.escape(stack)}\.(\d+)\.", name))})


def _blocks(state, stack, parts):
    found = {}
    for i in range(depth_of(state, stack)):
        for part in ("weight", "bias"):
            if f"{stack}.{i}.attention.q_proj.{part}" in state:
                found[f"blocks.{i}.attn.qkv.{part}"] = _joined(state, f"{stack}.{i}", part)
            for ours, theirs in parts.items():
                if (value := state.get(f"{stack}.{i}.{theirs}.{part}")) is not None:
                    found[f"blocks.{i}.{ours}.{part}"] = value
    return found
