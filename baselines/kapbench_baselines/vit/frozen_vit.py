"""A frozen vision transformer of fixed patch size: letterboxed pictures in, one facet out."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from kapbench.models.letterbox import letterboxed
from kapbench.protocols import Condition
from kapbench.types import FeatureMap, Grid, Picture
from kapbench_baselines.vit import encode_square, overlapping_patches
from kapbench_baselines.vit.facets import Facet, check_layer, read

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FrozenViT:
    """What DINO, DINOv2 and DINOv3 have in common.

    Args:
        name: As tables show it.
        net: transformers' model, in float32, with `config.patch_size`.
        origin: A short name for exactly these weights.
        layer: See `facets.check_layer`.
        facet: token, query, key or value.
        stride: Pixels from patch to patch; None: the patch size.
        image_px: Side of the letterbox: a patch and any number of strides.

    Raises:
        KapbenchError: options that do not fit the network.
    """

    conditions_on: tuple[Condition, ...] = ()
    similarity: Literal["dot", "neg_l2"] = "dot"
    supervision = "none"

    def __init__(
        self,
        name: str,
        net: Any,
        origin: str,
        *,
        layer: int,
        facet: Facet,
        stride: int | None,
        image_px: int,
        device: str,
    ) -> None:
        self.name, self.device = name, device
        self.layer, self.image_px = int(layer), int(image_px)
        self.facet: Facet = facet
        config = net.config
        self._patch = int(config.patch_size)
        self._stride = self._patch if stride is None else int(stride)
        overlapping_patches.check_fit(name, self.image_px, self._patch, self._stride)
        check_layer(net, name, self.layer, facet)
        self._skip = 1 + getattr(config, "num_register_tokens", 0)
        overlapping_patches.overlap(net, self._patch, self._stride)
        self._net = net.to(device).eval()
        self.channels = int(config.hidden_size)
        # What equals the plain patch tokens says nothing: runs from before the options stay valid.
        said = "" if facet == "token" else f"-{facet}"
        said += "" if self._stride == self._patch else f"-stride{self._stride}"
        self.revision = f"{origin}-{self.image_px}px-layer{self.layer}{said}"
        self.options = {
            "layer": self.layer, "facet": facet, "stride": self._stride, "image_px": self.image_px
        }  # fmt: skip

    def prepare(self, picture: Picture) -> UInt8[np.ndarray, "s s 3"]:
        return letterboxed(picture, self.image_px)

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[channels n n] per picture, n = (image_px - patch) / stride + 1."""
        n = overlapping_patches.n_cells(self.image_px, self._patch, self._stride)

        def maps(images: Tensor) -> Tensor:
            return self.tokens(images).transpose(1, 2).reshape(len(images), -1, n, n)

        def grid(size: tuple[int, int], _: int) -> Grid:
            return overlapping_patches.grid_of(size, self.image_px, self._patch, self._stride)

        return encode_square.encode(pictures, self.image_px, maps, grid, self.device)

    def tokens(self, images: Tensor) -> Tensor:
        """The facet [b n c] of the patches of uint8 images [b 3 h w], row by row."""
        pixels = encode_square.normalised(images.to(self.device, non_blocking=True), MEAN, STD)
        return read(self._net, pixels, self.layer, self.facet)[:, self._skip :]
