"""The square that an encoder is shown of each picture, and where its cells lie on the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.models.letterbox import Padding, square_grid, squared
from kapbench.types import Grid, Picture


def known_padding(padding: str, name: str) -> Padding:
    """A padding; KapbenchError for an unknown one. `name`: of the model."""
    chosen: Padding | None = next((p for p in get_args(Padding) if p == padding), None)
    if chosen is None:
        known = ", ".join(get_args(Padding))
        raise KapbenchError(
            f"Unknown padding '{padding}'", place=name, fix=f"Choose one of {known}"
        )
    return chosen


@dataclass(frozen=True, slots=True)
class ShownSquare:
    """A picture made a square of `side` px as `squared` does it.

    `border`: px of the pixels' mean that the network's input has more at the left and top, and at the
    right and bottom: Probe3D fills 800 px so to a multiple of the patch.
    """

    side: int
    padding: Padding = "centre-black"
    border: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, side: int, padding: str, patch: int, name: str) -> "ShownSquare":
        """The square, with a border where the padding is "corner-white" and the patch does not fit.

        Raises:
            KapbenchError: the padding is unknown.
        """
        chosen = known_padding(padding, name)
        missing = -side % patch if chosen == "corner-white" else 0
        return cls(side, chosen, (missing // 2, missing - missing // 2))

    @property
    def network_px(self) -> int:
        return self.side + sum(self.border)

    @property
    def level(self) -> int:
        """Grey level beyond the image's border, which training on crops continues."""
        return 255 if self.padding.endswith("white") else 0

    @property
    def suffix(self) -> str:
        """What a revision says of it; nothing of the letterbox that is the default."""
        return "" if self.padding == "centre-black" else f"-{self.padding}"

    @property
    def options(self) -> dict[str, str]:
        return {} if self.padding == "centre-black" else {"padding": self.padding}

    def picture(self, picture: Picture) -> UInt8[np.ndarray, "s s 3"]:
        return squared(picture, self.side, self.padding)

    def grid(self, size: tuple[int, int], n: int) -> Grid:
        """n × n cells over the network's input, on an image of (width, height)."""
        return self.cells(size, n, 0.0)

    def cells(self, size: tuple[int, int], n: int, margin: float) -> Grid:
        """n × n cells that leave out a margin of px at each side of the network's input."""
        whole = square_grid(size, n, self.side, self.padding)
        if not margin and not any(self.border):
            return whole
        x0, y0, x1, y1 = whole.box
        before, after = (margin - px for px in self.border)
        dx, dy = (x1 - x0) / self.side, (y1 - y0) / self.side
        return Grid(n, n, (x0 + before * dx, y0 + before * dy, x1 - after * dx, y1 - after * dy))

    def bordered(self, images: Tensor, mean: Sequence[float]) -> Tensor:
        """Images [b 3 h w] of levels 0 to 255 with their border; as they are without one.

        Args:
            mean: Per channel, of levels 0 to 1: the border is 0 once it is taken off.
        """
        before, _ = self.border
        if not any(self.border):
            return images
        levels = 255 * torch.tensor(mean, device=images.device).view(3, 1, 1)
        n, side = len(images), self.network_px
        whole = levels.expand(n, 3, side, side).clone()
        whole[:, :, before : before + self.side, before : before + self.side] = images.float()
        return whole
