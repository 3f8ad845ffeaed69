"""Every number that shapes a training of dve or asic."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kapbench_baselines.canonical.warps import Warping


@dataclass(frozen=True, slots=True)
class Settings:
    """`weights`: of each loss by name; 0 leaves it out, which is how ablations are made."""

    weights: Mapping[str, float]
    width: int = 128
    temperature: float = 0.05
    steps: int = 2000
    batch: int = 16  # pairs of views, or of images
    tokens: int = 128  # on the object, drawn from each view
    rate: float = 2e-3
    schedule: str = "cosine"
    warm_up: float = 0.05
    weight_decay: float = 1e-4
    average: float = 0.998
    clip: float = 1.0
    warping: Warping = field(default_factory=Warping)

    def with_options(self, options: Mapping[str, Any]) -> "Settings":
        """A copy with some fields replaced; None leaves a field as it is."""
        return replace(self, **{key: value for key, value in options.items() if value is not None})

    def without(self, losses: tuple[str, ...]) -> "Settings":
        return replace(self, weights=dict(self.weights) | dict.fromkeys(losses, 0.0))


DVE = Settings(weights={"equivariance": 1.0})
ASIC = Settings(
    weights={"match": 1.0, "equivariance": 1.0, "reconstruction": 0.5, "variation": 0.1}
)
