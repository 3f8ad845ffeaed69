"""Every number that shapes a training of geoaware.supervised."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """`weights`: of each loss by name; 0 leaves it out. The defaults are sized for lite0 on a CPU."""

    weights: Mapping[str, float] = field(default_factory=lambda: {"sparse": 1.0, "dense": 1.0})
    width: int = 384  # channels of the head's output; 768 as published
    cells: int = 30  # a side, of the maps that the head sees; 60 as published
    dropout: float = 0.2
    label_noise: float = 0.3  # of targets, standard deviation in cells
    sharpness: float = 30.0  # of the softmax whose mean is the dense prediction
    mirror: float = 0.5  # share of pairs with one side or both mirrored and relabelled
    steps: int = 2000
    batch: int = 4  # pairs
    rate: float = 1e-3
    schedule: str = "cosine"
    warm_up: float = 0.1
    weight_decay: float = 1e-3
    average: float = 0.998
    clip: float = 1.0

    def with_options(self, options: Mapping[str, Any]) -> "Settings":
        """A copy with some fields replaced; None leaves a field as it is."""
        return replace(self, **{key: value for key, value in options.items() if value is not None})

    def without(self, losses: tuple[str, ...]) -> "Settings":
        return replace(self, weights=dict(self.weights) | dict.fromkeys(losses, 0.0))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
