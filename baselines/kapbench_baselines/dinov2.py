"""DINOv2 patch tokens through transformers, exactly as the published runs of this field read them.

840 px letterbox, 60×60 tokens of the last block before the final norm (Oquab et al. 2023; with
registers: Darcet et al. 2023).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition
from kapbench.types import FeatureMap, Grid, Picture
from kapbench_baselines.dinov2_weights import load
from kapbench_baselines.letterboxed import letterboxed

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OFFSET = 0.1  # upstream adds it to the number of patches when it scales position embeddings


class Dinov2:
    """A frozen DINOv2.

    Args:
        tag: vits14, vitb14, vitl14 or vitg14, with `reg` behind it for the models with registers.
        weights: A folder in transformers' format, a .safetensors file, or upstream's .pth; None:
            the hub's facebook/dinov2-… .
        layer: Index into the hidden states; -1 is the last block's output, before the final norm.
        image_px: Side of the letterbox; a multiple of the patch.

    Raises:
        KapbenchError: transformers or the weights are not there, or are those of another model.
    """

    conditions_on: tuple[Condition, ...] = ()
    similarity: Literal["dot", "neg_l2"] = "dot"
    supervision = "none"
    trained_on = "LVD-142M images, self-supervised"

    def __init__(
        self,
        tag: str,
        weights: str | None = None,
        layer: int = -1,
        image_px: int = 840,
        device: str = "cpu",
    ) -> None:
        self.name = f"dinov2.{tag}"
        self.device, self.layer, self.image_px = device, int(layer), int(image_px)
        registers = tag.endswith("reg")
        self._net, origin = load(tag, weights)
        if not registers:
            embeddings = self._net.embeddings
            embeddings.interpolate_pos_encoding = upstream_positions(embeddings)
        config = self._net.config
        self._check(config)
        self._skip = 1 + (config.num_register_tokens if registers else 0)
        self._patch = int(config.patch_size)
        self._net = self._net.to(device).eval()
        self.revision = f"{origin}-{self.image_px}px-layer{self.layer}"
        self.options = {"layer": self.layer, "image_px": self.image_px}

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[channels, image_px / patch, image_px / patch] per picture."""
        batch = np.stack([letterboxed(p, self.image_px) for p in pictures])
        with torch.inference_mode():
            tokens = self.tokens(torch.from_numpy(batch).permute(0, 3, 1, 2))
        n = self.image_px // self._patch
        values = tokens.transpose(1, 2).reshape(len(tokens), -1, n, n).float().cpu().numpy()
        grids = [Grid.letterbox(p.size, n, self.image_px) for p in pictures]
        return [FeatureMap(v, g) for v, g in zip(values, grids, strict=True)]

    def tokens(self, images: Tensor) -> Tensor:
        """Patch tokens [b n c] of uint8 images [b 3 h w]."""
        mean, std = (torch.tensor(v).view(3, 1, 1).to(self.device) for v in (MEAN, STD))
        pixels = (images.to(self.device).float() / 255 - mean) / std
        states = self._net(pixel_values=pixels, output_hidden_states=True).hidden_states
        found: Tensor = states[self.layer][:, self._skip :]
        return found

    def _check(self, config: Any) -> None:
        if self.image_px < 1 or self.image_px % config.patch_size:
            raise KapbenchError(
                f"{self.image_px} px is no multiple of the patch of {config.patch_size}",
                place=self.name, fix="choose another image_px, e.g. 840",
            )  # fmt: skip
        if not -config.num_hidden_layers - 1 <= self.layer <= config.num_hidden_layers:
            raise KapbenchError(
                f"no layer {self.layer}: {self.name} has {config.num_hidden_layers} blocks",
                place=self.name, fix="choose a layer from 0 (embeddings) up, or -1 for the last",
            )  # fmt: skip


def upstream_positions(embeddings: Any) -> Callable[[Tensor, int, int], Tensor]:
    """facebookresearch/dinov2's interpolation of position embeddings, for models without registers.

    It scales by ((n + 0.1) / 37) where transformers scales to the exact size; at 840 px features
    differ by up to 0.19. Models with registers scale to the exact size upstream too.
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


vits14 = functools.partial(Dinov2, "vits14")
vitb14 = functools.partial(Dinov2, "vitb14")
vitl14 = functools.partial(Dinov2, "vitl14")
vitg14 = functools.partial(Dinov2, "vitg14")
vits14reg = functools.partial(Dinov2, "vits14reg")
vitb14reg = functools.partial(Dinov2, "vitb14reg")
vitl14reg = functools.partial(Dinov2, "vitl14reg")
vitg14reg = functools.partial(Dinov2, "vitg14reg")
