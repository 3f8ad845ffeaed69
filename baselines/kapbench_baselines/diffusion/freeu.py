"""FreeU (Si et al. 2024) as GeoAware-SC's copy of ODISE applies it to the UNet's decoder.

Where the features from below have as many channels as the widest block, or half as many, half of
their channels are amplified, and the lowest frequencies of the skip connection are attenuated. The
number of channels decides: the first layer of a block goes by the block below. (diffusers' own
`enable_freeu` goes by the block, and has no factor for the third.)
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

WIDEST, HALF = (1.2, 0.9), (1.4, 0.2)  # of the features, and of the skip connection
_LOWEST = 1  # frequencies on each side of the constant one


def factors(unet: Any) -> Mapping[int, tuple[float, float]]:
    """Both factors by the number of channels of the features from below."""
    widest = max(unet.config.block_out_channels)
    return {widest // 2: HALF, widest: WIDEST}


def hooks(unet: Any) -> list[Any]:
    """Has every layer of the decoder see what FreeU makes of its input; handles to remove it."""
    handles, by_channels = [], factors(unet)
    n_below = unet.config.block_out_channels[-1]
    for block in unet.up_blocks:
        for resnet in block.resnets:
            if n_below in by_channels:
                hook = partial(_change_input, n_below, *by_channels[n_below])
                handles.append(resnet.register_forward_pre_hook(hook))
            n_below = resnet.out_channels
    return handles


def amplified(features: Tensor, factor: float) -> Tensor:
    """[n c h w] with the first half of the channels times a factor."""
    half = features.shape[1] // 2
    return torch.cat([features[:, :half] * factor, features[:, half:]], 1)


def as_returned(features: Tensor, unet: Any) -> Tensor:
    """A layer's output [n c h w] as the next layer sees it.

    The released code keeps the output and then amplifies it in place: what it returns is amplified.
    """
    factor, _ = factors(unet).get(features.shape[1], (1.0, 1.0))
    return amplified(features, factor)


def _change_input(
    n_below: int, factor: float, skip_factor: float, _layer: Any, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """A layer's inputs, the first of which is the features from below stacked on the skip's."""
    import diffusers.utils.torch_utils as _torch_utils

    torch_utils: Any = _torch_utils
    both, *others = inputs
    below, skip = both[:, :n_below], both[:, n_below:]
    filtered = torch_utils.fourier_filter(skip, threshold=_LOWEST, scale=skip_factor)
    return torch.cat([amplified(below, factor), filtered], 1), *others
