"""Overlapping patches: a stride below the patch size, as Amir et al. 2022 densify a frozen ViT."""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kapbench.errors import KapbenchError
from kapbench.types import Grid, Letterbox

Cells = Literal["patches", "square"]
OFFSET = 0.1  # DINO and DINOv2 add it to the number of patches when they scale position embeddings


def n_cells(side: int, patch: int, stride: int) -> int:
    """Patches along `side` pixels."""
    return (side - patch) // stride + 1


def grid_of(
    size: tuple[int, int], side: int, patch: int, stride: int, cells: Cells = "patches"
) -> Grid:
    """The cells of the patches in the letterbox.

    Args:
        cells: "patches": of one stride each, whose centres are those of the patches. With
            overlapping patches the first centre lies half a patch, not half a cell, from the
            border: the outermost (patch - stride) / 2 pixels of the letterbox belong to no cell.
            "square": equal cells over the whole letterbox, as sd-dino looks up source cells.
    """
    n = n_cells(side, patch, stride)
    if stride == patch or cells == "square":
        return Grid.letterbox(size, n, side)
    margin = (patch - stride) / 2
    corners = np.array([[margin, margin], [side - margin, side - margin]])
    (x0, y0), (x1, y1) = Letterbox(size, side).to_image(corners).tolist()
    return Grid(n, n, (x0, y0, x1, y1))


def check_cells(name: str, cells: str) -> None:
    """Raises KapbenchError: no such choice of cells."""
    if cells not in get_args(Cells):
        raise KapbenchError(
            f"Unknown cells '{cells}'",
            place=name,
            fix=f"Choose one of {', '.join(get_args(Cells))}",
        )


def check_fit(name: str, side: int, patch: int, stride: int) -> None:
    """Raises KapbenchError: patches of this stride do not fill the side."""
    if stride < 1 or patch % stride:
        raise KapbenchError(
            f"Stride {stride} does not divide the patch of {patch} px",
            place=name,
            fix=f"Choose one of {', '.join(str(s) for s in range(1, patch + 1) if not patch % s)}",
        )
    if side < patch or (side - patch) % stride:
        whole = "the patch" if stride == patch else f"stride {stride}, from the patch"
        near = patch + max(0, round((side - patch) / stride)) * stride
        raise KapbenchError(
            f"{side} px is not a multiple of {whole} of {patch} px",
            place=name,
            fix=f"Choose another image_px, e.g. {near}",
        )


def overlap(net: Any, patch: int, stride: int) -> None:
    """Makes the network take its patches every `stride` pixels; nothing where that is the patch.

    A table of position embeddings is interpolated to the new number of patches by the network's own
    rule, as Amir et al. do; rotary ones are taken at the patches' true centres.

    Raises:
        KapbenchError: the network cuts its patches before it embeds them.
    """
    if stride == patch:
        return
    embeddings = net.get_input_embeddings() if net.config.model_type != "radio" else None
    if embeddings is None:  # a linear layer of cut patches
        raise KapbenchError(
            f"A {type(net).__name__} cannot take overlapping patches",
            fix=f"Leave stride out: it is the patch, {patch}",
        )
    projection = next(m for m in embeddings.modules() if hasattr(m, "stride"))
    projection.stride = (stride, stride)
    if hasattr(net, "rope_embeddings"):
        net.rope_embeddings.forward = _rotary(net.rope_embeddings, patch, stride)
    else:
        table: Callable[[Tensor, int, int], Tensor] = net.embeddings.interpolate_pos_encoding

        def positions(tokens: Tensor, height: int, width: int) -> Tensor:
            rows, columns = (n_cells(side, patch, stride) for side in (height, width))
            return table(tokens, rows * patch, columns * patch)

        net.embeddings.interpolate_pos_encoding = positions


def _rotary(rope: Any, patch: int, stride: int) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """DINOv3's rotation by the patches' centres, which lie in [-1, 1] over the image."""

    def forward(pixels: Tensor) -> tuple[Tensor, Tensor]:
        axes = []
        for side in pixels.shape[-2:]:
            index = torch.arange(n_cells(side, patch, stride), device=pixels.device)
            axes.append(2 * (patch / 2 + stride * index) / side - 1)
        yx = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 1)
        angles = 2 * math.pi * yx[:, :, None] * rope.inv_freq[None, None, :]
        angles = angles.flatten(1, 2).tile(2)
        return angles.cos().to(pixels.dtype), angles.sin().to(pixels.dtype)

    return forward


def upstream_positions(embeddings: Any) -> Callable[[Tensor, int, int], Tensor]:
    """Interpolation of position embeddings as in facebookresearch/dino and /dinov2.

    It scales by ((n + 0.1) / n_trained) where transformers scales to the exact size; at 840 px
    DINOv2's features differ by up to 0.19. DINOv2 with registers scales to the exact size.
    """

    def interpolated(tokens: Tensor, height: int, width: int) -> Tensor:
        table: Tensor = embeddings.position_embeddings
        side = math.isqrt(table.shape[1] - 1)
        patch = embeddings.patch_size
        rows, columns = height // patch, width // patch
        if tokens.shape[1] == table.shape[1] and rows == columns:
            return table
        grid = table[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
        scale = ((rows + OFFSET) / side, (columns + OFFSET) / side)
        grid = interpolate(grid, scale_factor=scale, mode="bicubic", antialias=False)
        patches = grid.flatten(2).transpose(1, 2).to(table.dtype)
        return torch.cat([table[:, :1], patches], dim=1)

    return interpolated
