"""The two networks of spherical maps: features to the sphere, and the sphere back to features.

Written from the paper's description (Secs. 3.1, 3.2) and the released checkpoint's tensor names.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

NORM_EPSILON = 1e-6  # that of DINOv2's final norm


class Attention(nn.Module):
    """Self-attention without bias in its query, key and value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        b, n, d = x.shape
        qkv = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        # On few tokens the CPU's fused kernel takes three times as long to train as plain products.
        plain = self.training and x.device.type == "cpu"
        mixed = _attend(*qkv) if plain else functional.scaled_dot_product_attention(*qkv)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(b, n, d))
        return out


def _attend(
    query: Float[Tensor, "b h n d"], key: Float[Tensor, "b h n d"], value: Float[Tensor, "b h n d"]
) -> Float[Tensor, "b h n d"]:
    scaled = query * query.shape[-1] ** -0.5
    share = torch.softmax(scaled @ key.transpose(-1, -2), -1)
    return share.to(value.dtype) @ value


class Perceptron(nn.Module):
    """Two layers, four times as wide between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        out: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = Attention(width, heads), Perceptron(width)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        x = x + functional.dropout(self.attn(self.norm1(x)), self.dropout, self.training)
        return x + functional.dropout(self.mlp(self.norm2(x)), self.dropout, self.training)


class SphereMapper(nn.Module):
    """Tokens of one image to unit 3-vectors. Sees all tokens at once and knows no positions.

    Input is standardised per channel by `input_mean` and `input_scale`, set from training data
    (0 and 1, as in the released checkpoint, until then).

    Args:
        normed: Whether each token is brought to mean 0 and variance 1 first. For DINOv2 these are
            its tokens behind the final norm, whose scale and shift the first layer can learn.
    """

    input_mean: Tensor
    input_scale: Tensor

    def __init__(
        self,
        channels: int,
        width: int,
        heads: int,
        depth: int = 1,
        dropout: float = 0.0,
        normed: bool = False,
    ) -> None:
        super().__init__()
        self.normed = normed
        self.register_buffer("input_mean", torch.zeros(channels))
        self.register_buffer("input_scale", torch.ones(channels))
        blocks = [Block(width, heads, dropout) for _ in range(depth)]
        self.sphere_mapper = nn.Sequential(
            nn.Linear(channels, width), nn.GELU(), *blocks, nn.Linear(width, 3)
        )

    def standardise(self, tokens: Float[Tensor, "*n c"]) -> None:
        """Fixes the input's mean and scale from a sample of training tokens."""
        flat = self._read(tokens.reshape(-1, tokens.shape[-1]).float())
        self.input_mean.copy_(flat.mean(0))
        self.input_scale.copy_(flat.std(0).clamp_min(1e-6))

    def forward(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b n 3"]:
        x = (self._read(tokens) - self.input_mean) / self.input_scale
        return functional.normalize(self.sphere_mapper(x).float(), dim=-1)

    def _read(self, tokens: Float[Tensor, "*n c"]) -> Float[Tensor, "*n c"]:
        if not self.normed:
            return tokens
        return functional.layer_norm(tokens, tokens.shape[-1:], eps=NORM_EPSILON)


class CategoryBlock(nn.Module):
    """Cross-attention to a single category token, then a perceptron.

    With one key the softmax is 1 whatever query and key are, so the released block's `q` and `k`
    have no effect and no gradient: they are left out here.
    """

    def __init__(self, width: int, n_categories: int) -> None:
        super().__init__()
        self.value = nn.Linear(n_categories, width, bias=False)
        self.proj = nn.Linear(width, width)
        self.norm2, self.mlp = nn.LayerNorm(width), Perceptron(width)

    def forward(
        self, x: Float[Tensor, "b n d"], one_hot: Float[Tensor, "b k"]
    ) -> Float[Tensor, "b n d"]:
        x = x + self.proj(self.value(one_hot))[:, None]
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PrototypeDecoder(nn.Module):
    """Points of a category's sphere to features: one block, applied `repeats` times."""

    def __init__(self, channels: int, n_categories: int, repeats: int = 2) -> None:
        super().__init__()
        self.n_categories, self.repeats = n_categories, repeats
        self.proj = nn.Linear(3, channels)
        self.block = CategoryBlock(channels, n_categories)

    def forward(
        self, points: Float[Tensor, "b n 3"], category: Int[Tensor, "b"]
    ) -> Float[Tensor, "b n c"]:
        one_hot = functional.one_hot(category, self.n_categories).to(points.dtype)
        x: Tensor = self.proj(points)
        for _ in range(self.repeats):
            x = self.block(x, one_hot)
        return x
