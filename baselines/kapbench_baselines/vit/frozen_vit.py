"""A frozen vision transformer of fixed patch size: letterboxed pictures in, one facet out."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from kapbench.protocols import Condition, Similarity
from kapbench.types import FeatureMap, Grid, Picture
from kapbench_baselines.vit import encode_square
from kapbench_baselines.vit import overlapping_patches as patches
from kapbench_baselines.vit.architectures import check_normed, final_norm
from kapbench_baselines.vit.checkpoint import Checkpoint
from kapbench_baselines.vit.facets import Facet, check_layer, read
from kapbench_baselines.vit.shown_square import ShownSquare
from kapbench_baselines.vit.token_layout import n_leading
from kapbench_baselines.vit.weights import load


class FrozenViT:
    """A frozen DINO, DINOv2 or DINOv3, or a network that is read as they are.

    Args:
        checkpoint: Which of the published models it is.
        weights: A folder in transformers' format, a .safetensors file, or upstream's .pth; None:
            the checkpoint's repository on the hub.
        layer: Of tokens the index into the hidden states: 0 the embeddings, -1 the last block's
            output before the final norm. Of queries, keys and values the number of the block, from
            0, as Amir et al. count.
        facet: token, query, key or value; queries and keys before any rotation.
        stride: Pixels from patch to patch, a divisor of the patch; None: the patch divided by the
            checkpoint's overlap.
        image_px: Side of the letterbox: a patch and any number of strides.
        padding: What makes a picture a square, see `letterbox.squared`. With corner-white, image_px
            may be any: the network's input is filled to a multiple of the patch.
        cells: Where overlapping patches lie, see `overlapping_patches.grid_of`.
        normed: Whether tokens pass the network's final norm.

    Raises:
        KapbenchError: transformers or the weights are missing, the weights are those of another
            model, or the options do not fit the network.
    """

    conditions_on: tuple[Condition, ...] = ()
    similarity: Similarity = "dot"

    def __init__(
        self,
        checkpoint: Checkpoint,
        weights: str | None = None,
        layer: int = -1,
        facet: Facet = "token",
        stride: int | None = None,
        image_px: int = 840,
        padding: str = "centre-black",
        cells: patches.Cells = "patches",
        device: str = "cpu",
        normed: bool = False,
    ) -> None:
        self.name, self.trained_on, self.device = checkpoint.name, checkpoint.trained_on, device
        self.licence = checkpoint.licence
        self.supervision = checkpoint.supervision
        self.layer, self.image_px, self._patch = int(layer), int(image_px), checkpoint.patch
        self.facet: Facet = facet
        self._stride = self._patch // checkpoint.overlap if stride is None else int(stride)
        self._shown = ShownSquare.of(self.image_px, padding, self._patch, self.name)
        self.padding = self._shown.level
        patches.check_fit(self.name, self._shown.network_px, self._patch, self._stride)
        patches.check_cells(self.name, cells)
        self._cells: patches.Cells = cells
        net, origin = load(checkpoint, weights)
        if checkpoint.upstream_positions:
            net.embeddings.interpolate_pos_encoding = patches.upstream_positions(net.embeddings)
        check_layer(net, self.name, self.layer, facet)
        check_normed(normed, facet, self.name)
        self._norm = final_norm(net, self.name) if normed else None
        self._mean, self._std = checkpoint.mean, checkpoint.std
        self._skip = n_leading(net.config)
        patches.overlap(net, self._patch, self._stride)
        self._net = net.to(device).eval()
        self.channels = int(net.config.hidden_size)
        self._declare(origin)

    def _declare(self, origin: str) -> None:
        """Sets revision and options.

        The defaults of plain patch tokens are left out: revisions from before the options stay.
        """
        chosen = self._shown.suffix + ("" if self.facet == "token" else f"-{self.facet}")
        chosen += "" if self._stride == self._patch else f"-stride{self._stride}"
        chosen += "" if self._cells == "patches" else f"-{self._cells}"
        chosen += "" if self._norm is None else "-normed"
        self.revision = f"{origin}-{self.image_px}px-layer{self.layer}{chosen}"
        self.options = {
            **self._shown.options,
            "layer": self.layer,
            "facet": self.facet,
            "stride": self._stride,
            "image_px": self.image_px,
        } | ({} if self._cells == "patches" else {"cells": self._cells})
        self.options |= {} if self._norm is None else {"normed": True}

    def prepare(self, picture: Picture) -> UInt8[np.ndarray, "s s 3"]:
        return self._shown.picture(picture)

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[channels n n] per picture, n = (image_px - patch) / stride + 1."""
        n = patches.n_cells(self._shown.network_px, self._patch, self._stride)

        def maps(images: Tensor) -> Tensor:
            tokens = self.tokens(self._shown.bordered(images, self._mean))
            return tokens.transpose(1, 2).reshape(len(images), -1, n, n)

        def grid(size: tuple[int, int], _: int) -> Grid:
            if self._shown.padding == "centre-black":
                return patches.grid_of(size, self.image_px, self._patch, self._stride, self._cells)
            square = self._cells == "square"
            return self._shown.cells(size, n, 0 if square else (self._patch - self._stride) / 2)

        return encode_square.encode(pictures, self._shown, maps, grid, self.device)

    def tokens(self, images: Tensor) -> Tensor:
        """The facet [b n c] of the patches of uint8 images [b 3 h w], row by row."""
        pixels = encode_square.normalised(
            images.to(self.device, non_blocking=True), self._mean, self._std
        )
        tokens = read(self._net, pixels, self.layer, self.facet)[:, self._skip :]
        return tokens if self._norm is None else self._norm(tokens)
