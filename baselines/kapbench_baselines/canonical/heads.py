"""From a token to its place: one small perceptron a category."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


class CategoryHeads(nn.Module):
    """Tokens [b n c] of images of known categories to points [b n d].

    Args:
        sphere: Points of unit length; else within (−1, 1) along each axis.
        free: Neither: points anywhere.
        residual: Points are counted from where the token lies in the padded square of its image.

    Input is standardised per channel by `input_mean` and `input_scale`, set from training data.
    """

    input_mean: Tensor
    input_scale: Tensor

    def __init__(
        self,
        channels: int,
        width: int,
        n_dimensions: int,
        n_categories: int,
        *,
        sphere: bool,
        free: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.sphere, self.free, self.residual = sphere, free, residual
        self.register_buffer("input_mean", torch.zeros(channels))
        self.register_buffer("input_scale", torch.ones(channels))
        self.first = nn.Parameter(torch.randn(n_categories, channels, width) / channels**0.5)
        self.first_bias = nn.Parameter(torch.zeros(n_categories, width))
        self.second = nn.Parameter(torch.randn(n_categories, width, n_dimensions) / width**0.5)

    def standardise(self, sample: Float[Tensor, "*n c"]) -> None:
        flat = sample.float().flatten(0, -2)
        self.input_mean.copy_(flat.mean(0))
        self.input_scale.copy_(flat.std(0).clamp_min(1e-6))

    def forward(self, tokens: Float[Tensor, "b n c"], category: Int[Tensor, "b"]) -> Tensor:
        x = (tokens - self.input_mean) / self.input_scale
        hidden = torch.bmm(x, self.first[category]) + self.first_bias[category][:, None]
        points = torch.bmm(functional.gelu(hidden), self.second[category])
        if self.free:
            return points
        return functional.normalize(points, dim=-1) if self.sphere else torch.tanh(points)
