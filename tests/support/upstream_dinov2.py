"""DINOv2 as facebookresearch/dinov2 defines it, written here from that definition.

Names of the weights, blocks, and position embeddings, in the plainest tensor operations.
"""

import math

import numpy as np
import torch
from torch.nn.functional import conv2d, gelu, layer_norm, linear, silu

PATCH, TRAINED_CELLS, HEAD = 14, 37, 64


def weights(width, depth=1, *, registers=0, swiglu=False, seed=0):
    """Random weights under upstream's names."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape, scale=0.1):
        return scale * torch.randn(*shape, generator=generator)

    state = {
        "cls_token": rand(1, 1, width),
        "pos_embed": rand(1, 1 + TRAINED_CELLS**2, width, scale=1.0),
        "mask_token": rand(1, width),
        "patch_embed.proj.weight": rand(width, 3, PATCH, PATCH),
        "patch_embed.proj.bias": rand(width),
        "norm.weight": 1 + rand(width),
        "norm.bias": rand(width),
    }
    if registers:
        state["register_tokens"] = rand(1, registers, width)
    hidden = (int(width * 4 * 2 / 3) + 7) // 8 * 8 if swiglu else 4 * width
    names = ("w12", "w3") if swiglu else ("fc1", "fc2")
    shapes = {
        "attn.qkv": (3 * width, width),
        "attn.proj": (width, width),
        f"mlp.{names[0]}": (hidden * (2 if swiglu else 1), width),
        f"mlp.{names[1]}": (width, hidden),
    }
    for i in range(depth):
        for name, shape in shapes.items():
            state[f"blocks.{i}.{name}.weight"] = rand(*shape)
            state[f"blocks.{i}.{name}.bias"] = rand(shape[0])
        for n in (1, 2):
            state[f"blocks.{i}.norm{n}.weight"] = 1 + rand(width)
            state[f"blocks.{i}.norm{n}.bias"] = rand(width)
            state[f"blocks.{i}.ls{n}.gamma"] = rand(width, scale=1.0)
    return state


def prenorm_tokens(state, pixels):
    """Patch tokens [b n c] after the last block, before the norm, of pixels [b 3 h w]."""
    x = conv2d(pixels, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], PATCH)
    n = x.shape[-1]
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), x], dim=1)
    registers = state.get("register_tokens")
    x = x + positions(state["pos_embed"], n, like_registers=registers is not None)
    if registers is not None:
        x = torch.cat([x[:, :1], registers.expand(len(x), -1, -1), x[:, 1:]], dim=1)
    depth = len({k.split(".")[1] for k in state if k.startswith("blocks.")})
    for i in range(depth):
        x = block({k[len(f"blocks.{i}.") :]: v for k, v in state.items() if f"blocks.{i}." in k}, x)
    return x[:, 1 + (0 if registers is None else registers.shape[1]) :]


def block(p, x):
    def dense(name, y):
        return linear(y, p[f"{name}.weight"], p[f"{name}.bias"])

    def norm(name, y):
        return layer_norm(y, y.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"], eps=1e-6)

    b, n, c = x.shape
    q, k, v = (
        dense("attn.qkv", norm("norm1", x)).view(b, n, 3, c // HEAD, HEAD).permute(2, 0, 3, 1, 4)
    )
    weights = (q @ k.transpose(-1, -2) / math.sqrt(HEAD)).softmax(dim=-1)
    x = x + p["ls1.gamma"] * dense("attn.proj", (weights @ v).transpose(1, 2).reshape(b, n, c))
    y = norm("norm2", x)
    if "mlp.w12.weight" in p:
        gate, up = dense("mlp.w12", y).chunk(2, dim=-1)
        y = dense("mlp.w3", silu(gate) * up)
    else:
        y = dense("mlp.fc2", gelu(dense("mlp.fc1", y)))
    return x + p["ls2.gamma"] * y


def positions(table, n, *, like_registers):
    """Embeddings [1 1+n·n c] for n × n patches."""
    if n == TRAINED_CELLS:
        return table
    axis = (antialiased_axis if like_registers else offset_axis)(TRAINED_CELLS, n)
    grid = table[0, 1:].view(TRAINED_CELLS, TRAINED_CELLS, -1).double().numpy()
    resized = np.einsum("ia,jb,abc->ijc", axis, axis, grid, optimize=True)
    patches = torch.from_numpy(resized).float().flatten(0, 1)
    return torch.cat([table[:, :1], patches[None]], dim=1)


def cubic(t, a):
    """Keys' kernel."""
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def offset_axis(n_in, n_out):
    """[n_out n_in] weights without registers: output i samples (i + 0.5) · n_in / (n_out + 0.1)."""
    weights = np.zeros((n_out, n_in))
    for i in range(n_out):
        place = (i + 0.5) * n_in / (n_out + 0.1) - 0.5
        low = math.floor(place)
        for k in range(low - 1, low + 3):
            weights[i, min(max(k, 0), n_in - 1)] += cubic(place - k, a=-0.75)
    return weights


def antialiased_axis(n_in, n_out):
    """[n_out n_in] weights with registers: Pillow's bicubic, cut at the border and rescaled."""
    scale = max(n_in / n_out, 1.0)
    weights = np.array(
        [
            [cubic((k + 0.5 - (i + 0.5) * n_in / n_out) / scale, a=-0.5) for k in range(n_in)]
            for i in range(n_out)
        ]
    )
    return weights / weights.sum(axis=1, keepdims=True)
