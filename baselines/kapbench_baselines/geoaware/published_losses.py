"""The terms of GeoAware-SC's published training, each a function of unit features and keypoints.

Zhang et al. 2024, Sec. 4.2, as github.com/Junyi42/GeoAware-SC trains it (utils/utils_losses.py and
model_utils/corr_map_model.py at 99fd6b6). Coordinates are in cells, x right and y down; the centre of
the cell in column i is at i + 0.5.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kapbench_baselines.geoaware.task import contrast

LABEL_NOISE = 0.05  # standard deviation, of the size T of the object in the target
TEMPERATURE = 0.02


@dataclass(frozen=True)
class Match:
    """Keypoints that are visible in two images.

    Attributes:
        size: T, the longer side of the second image's object in cells.
    """

    source: Float[Tensor, "c s s"]
    target: Float[Tensor, "c s s"]
    source_xy: Float[Tensor, "k 2"]
    target_xy: Float[Tensor, "k 2"]
    size: float


class Places(nn.Module):
    """Coordinates of the cells' columns and rows in −1 … 1.

    The published training learns them together with the head; they are not used afterwards.
    """

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.linspace(-1, 1, cells))
        self.y = nn.Parameter(torch.linspace(-1, 1, cells))


def unit(features: Float[Tensor, "b c s s"]) -> Float[Tensor, "b c s s"]:
    return functional.normalize(features, dim=1, eps=1e-10)


def sparse(match: Match, scale: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Symmetric cross-entropy of the cells that hold the keypoints."""
    one, two = _at(match.source, match.source_xy), _at(match.target, match.target_xy)
    return contrast(one, two, scale)


def dense(match: Match, places: Places, generator: torch.Generator) -> Float[Tensor, ""]:
    """Mean distance in cells between predicted and annotated flow, whose label is noisy.

    The prediction is the mean place under a softmax over the target's cells. The flow starts at the
    corner of the source's cell in the prediction, and at the keypoint itself in the label.
    """
    n_cells = match.target.shape[-1]
    cosines = _at(match.source, match.source_xy) @ match.target.flatten(1)
    shares = torch.softmax(cosines / TEMPERATURE, dim=1).reshape(-1, n_cells, n_cells)
    means = torch.stack([shares.sum(1) @ places.x, shares.sum(2) @ places.y], dim=1)
    predicted = (means + 1) * (n_cells - 1) / 2 - cell(match.source_xy, n_cells)
    noise = torch.randn(match.target_xy.shape, generator=generator).to(means.device)
    label = match.target_xy - match.source_xy + LABEL_NOISE * match.size * noise
    distances: Tensor = torch.linalg.vector_norm(predicted - label, dim=1)
    return distances.mean()


def cell(xy: Float[Tensor, "k 2"], n_cells: int) -> Int[Tensor, "k 2"]:
    """Column and row of the cell that holds a point; of the nearest for a point outside."""
    return xy.floor().long().clamp(0, n_cells - 1)


def _at(features: Float[Tensor, "c s s"], xy: Float[Tensor, "k 2"]) -> Float[Tensor, "k c"]:
    column, row = cell(xy, features.shape[-1]).unbind(1)
    return features[:, row, column].T
