"""The head that GeoAware-SC and DIY-SC train on frozen features, under its released tensor names.

Facts of layout from the two projects' released state dicts: a bottleneck 1×1 – 3×3 – 1×1 without
biases, GroupNorm behind each convolution, a projected shortcut where widths differ, a last ReLU; one
such stage per part of the input, mixed by softmax weights.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kapbench.errors import KapbenchError

GROUPS = 32
QUARTERED = 4 * GROUPS  # widths must be a multiple: a quarter of them is split into the groups


class NormedConv(nn.Conv2d):
    """A convolution without bias that keeps its size, and GroupNorm."""

    def __init__(self, channels_in: int, channels_out: int, side: int) -> None:
        super().__init__(channels_in, channels_out, side, padding=side // 2, bias=False)
        self.norm = nn.GroupNorm(GROUPS, channels_out)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's own name
        normed: Tensor = self.norm(super().forward(input))
        return normed


class Bottleneck(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, sides: Sequence[int]) -> None:
        super().__init__()
        narrow = channels_out // 4
        project = channels_in != channels_out
        self.shortcut = NormedConv(channels_in, channels_out, 1) if project else None
        self.conv1 = NormedConv(channels_in, narrow, sides[0])
        self.conv2 = NormedConv(narrow, narrow, sides[1])
        self.conv3 = NormedConv(narrow, channels_out, sides[2])

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        beside = x if self.shortcut is None else self.shortcut(x)
        hidden = functional.relu(self.conv2(functional.relu(self.conv1(x))))
        return functional.relu(self.conv3(hidden) + beside)


class AggregationNetwork(nn.Module):
    """Features [b c h w], parts of the given widths side by side, to [b d h w].

    Args:
        widths: Channels of each part; their sum is c.
        width_out: d; a multiple of QUARTERED.
        sides: Of the three convolutions.
    """

    def __init__(
        self, widths: Sequence[int], width_out: int, sides: Sequence[int] = (1, 3, 1)
    ) -> None:
        super().__init__()
        self.widths, self.width_out = list(widths), width_out
        stages = [nn.Sequential(Bottleneck(width, width_out, sides)) for width in widths]
        self.bottleneck_layers = nn.ModuleList(stages)
        self.mixing_weights = nn.Parameter(torch.ones(len(stages)))
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())
        self.self_logit_scale = nn.Parameter(torch.tensor(10.0).log())

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        shares = torch.softmax(self.mixing_weights, 0)
        parts = zip(shares, self.bottleneck_layers, torch.split(x, self.widths, 1), strict=True)
        return torch.stack([share * stage(part) for share, stage, part in parts]).sum(0)


def released(state: Mapping[str, Tensor], path: Path) -> AggregationNetwork:
    """A network in the shape of a released state dict, with its weights, for evaluation.

    Raises:
        KapbenchError: tensors missing or left over, or of shapes that fit no such network.
    """
    stages = sorted(k for k in state if k.endswith(".conv3.weight"))
    if not stages:
        raise KapbenchError(
            "This is not an aggregation network: no tensor's name ends with .conv3.weight",
            place=path,
            fix="Give the checkpoint as it was released",
        )
    try:
        narrow = [state[k.replace("conv3", "conv1")] for k in stages]
        widths = [int(w.shape[1]) for w in narrow]
        sides = [
            int(state[stages[0].replace("conv3", c)].shape[2]) for c in ("conv1", "conv2", "conv3")
        ]
        net = AggregationNetwork(widths, int(state[stages[0]].shape[0]), sides=sides)
        net.load_state_dict({k: v.float() for k, v in state.items()})
    except (IndexError, KeyError, RuntimeError, ValueError) as error:
        raise KapbenchError(
            f"This is not an aggregation network: {error}",
            place=path,
            fix="Give the checkpoint as it was released; this download may be incomplete",
        ) from error
    return net.eval()
