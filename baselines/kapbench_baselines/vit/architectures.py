"""What single architectures of transformers need before they give the tokens of all patches."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from kapbench.errors import KapbenchError

FINAL_NORMS = ("layernorm", "norm", "post_layernorm")  # attributes of transformers' networks


def forward(net: Any, pixels: Tensor, **arguments: Any) -> Any:
    """The network's own output for images [b 3 h w], normalised.

    V-JEPA 2 sees each image as a film of one tubelet of equal frames.
    """
    if net.config.model_type == "vjepa2":
        film = pixels[:, None].expand(-1, net.config.tubelet_size, -1, -1, -1)
        return net(pixel_values_videos=film, skip_predictor=True, **arguments)
    if net.config.model_type == "vit_mae":
        arguments["noise"] = _ascending(net, pixels)
    if "interpolate_pos_encoding" in inspect.signature(net.forward).parameters:
        arguments["interpolate_pos_encoding"] = True  # done on request only
    return net(pixel_values=pixels, **arguments)


def hidden_states(net: Any, pixels: Tensor) -> tuple[Tensor, ...]:
    """Embeddings, then each block's output, before any final norm: [b n c], or [b c h w] of a CNN."""
    out = forward(net, pixels, output_hidden_states=True)
    # Windowed transformers keep their maps here, and in hidden_states flattened.
    states = getattr(out, "reshaped_hidden_states", None) or out.hidden_states
    if net.config.model_type == "sam_vision_model":  # maps with the channels last
        return tuple(state.flatten(1, 2) for state in states)
    return tuple(states)


def fit(net: Any, side: int) -> None:
    """Makes a network that takes one size alone read squares of `side` pixels.

    MAE's random masking is switched off. Nothing is changed in any other architecture.
    """
    fits: dict[str, Callable[[Any, int], None]] = {
        "sam_vision_model": _resize_table,
        "vjepa2": _count_cells,
        "vit_mae": _show_all_patches,
    }
    if (change := fits.get(net.config.model_type)) is not None:
        change(net, side)


def final_norm(net: Any, name: str) -> Callable[[Tensor], Tensor]:
    """The layer norm behind the last block.

    Raises:
        KapbenchError: the network has none.
    """
    for owner in (net, getattr(net, "encoder", None)):
        for attribute in FINAL_NORMS:
            norm = getattr(owner, attribute, None)
            if isinstance(norm, nn.Module) and not isinstance(norm, nn.Identity):
                return norm
    raise no_final_norm(net, name)


def no_final_norm(net: Any, name: str) -> KapbenchError:
    return KapbenchError(
        f"{type(net).__name__} has no norm behind its last block",
        place=name,
        fix="Leave normed out",
    )


def check_normed(normed: bool, facet: str, name: str) -> None:
    """Raises KapbenchError: only tokens pass the final norm."""
    if normed and facet != "token":
        raise KapbenchError(
            f"The final norm is one of tokens, not of the {facet}",
            place=name,
            fix="Leave normed out, or choose facet=token",
        )


def _ascending(net: Any, pixels: Tensor) -> Tensor:
    """Noise by which MAE shuffles its patches: in their own order."""
    rows, columns = (side // net.config.patch_size for side in pixels.shape[-2:])
    order = torch.arange(rows * columns, device=pixels.device, dtype=torch.float32)
    return order.expand(len(pixels), -1)


def _show_all_patches(net: Any, _: int) -> None:
    net.config.mask_ratio = 0.0


def _count_cells(net: Any, side: int) -> None:
    """V-JEPA 2's rotations count rows and columns, also beyond those it was trained with."""
    for module in net.modules():
        if hasattr(module, "grid_size"):
            module.grid_size = side // net.config.patch_size


def _resize_table(net: Any, side: int) -> None:
    """SAM's table of positions, bicubic; its relative positions follow the size by themselves."""
    n = side // net.config.patch_size
    net.patch_embed.image_size = (side, side)
    if net.pos_embed is not None and net.pos_embed.shape[1] != n:
        table = net.pos_embed.detach().permute(0, 3, 1, 2)
        resized = interpolate(table, size=(n, n), mode="bicubic").permute(0, 2, 3, 1)
        net.pos_embed = nn.Parameter(resized, requires_grad=False)
