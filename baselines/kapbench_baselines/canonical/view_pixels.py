"""Pixels of a warped view, and which of its cells lie on the object."""

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional

from kapbench_baselines.sphere.views import pooled


def sampled(
    image: UInt8[np.ndarray, "h w c"], at: Float32[Tensor, "s s 2"], padding: int
) -> UInt8[np.ndarray, "s s c"]:
    """The image at these places, bilinearly; grey of level `padding` beyond it.

    Where a view is smaller than what it shows, the image is first resized, so that nothing aliases.
    """
    height, width = image.shape[:2]
    step = float((at[0, -1] - at[0, 0]).norm()) / len(at)
    scale = min(1.0, 1.0 / max(step, 1e-6))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = np.asarray(Image.fromarray(image).resize(small, Image.Resampling.LANCZOS))
    pixels = torch.from_numpy(resized.copy()).float().permute(2, 0, 1)[None] - padding
    where = at / torch.tensor([width, height]) * 2 - 1
    values = functional.grid_sample(pixels, where[None], align_corners=False)[0] + padding
    return np.asarray(values.permute(1, 2, 0).round().clamp(0, 255).byte().numpy())


def object_cells(
    on_object: UInt8[np.ndarray, "h w"], at: Float32[Tensor, "s s 2"], grid: int
) -> Bool[Tensor, "t"]:
    """Cells of a view of which at least half lies on the object."""
    covered = sampled(on_object[..., None].repeat(3, axis=2), at, 0)[..., :1]
    shares = pooled(covered.transpose(2, 0, 1).astype(np.float32), grid)
    return shares[:, 0] > 127
