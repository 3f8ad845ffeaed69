"""EfficientNet-Lite0 up to its fifteenth block (Tan and Le 2019; the Lite variant of 2020).

No squeeze-and-excitation, ReLU6, and TensorFlow's padding, which puts the odd pixel at the end.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

# repeats, kernel, stride of the first, expansion, output channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32


class SamePadConv(nn.Conv2d):
    """Convolution whose output is ceil(input / stride)."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for n, kernel, stride in zip(
            reversed(x.shape[-2:]), self.kernel_size, self.stride, strict=True
        ):
            total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
            pads += [total // 2, total - total // 2]
        out: Tensor = self._conv_forward(functional.pad(x, pads), self.weight, None)
        return out


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Inverted bottleneck; names are those of the published weights."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands, self.skips = expansion > 1, stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = SamePadConv(inputs, inner, 1, bias=False)
            self._bn0 = _norm(inner)
        self._depthwise_conv = SamePadConv(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = _norm(inner)
        self._project_conv = SamePadConv(inner, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


class EfficientNetLite0(nn.Module):
    """The trunk: stem and sixteen blocks."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SamePadConv(3, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = _norm(STEM_CHANNELS)
        blocks, inputs = [], STEM_CHANNELS
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for i in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, stride if i == 0 else 1, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """Outputs of the named blocks, in order of depth."""
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        outputs = []
        for i, block in enumerate(self._blocks[: max(blocks) + 1]):
            x = block(x)
            if i in blocks:
                outputs.append(x)
        return outputs


def load(path: Path) -> EfficientNetLite0:
    """With the published weights, less the classifier that is not built here."""
    model, head = EfficientNetLite0(), ("_conv_head.", "_bn1.", "_fc.")
    state = torch.load(path, weights_only=True, map_location="cpu")
    model.load_state_dict({k: v for k, v in state.items() if not k.startswith(head)})
    return model.eval()
