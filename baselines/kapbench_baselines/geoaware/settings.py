"""Every number that shapes a training of geoaware.supervised."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.registry import unknown
from kapbench_baselines.aggregation_head.network import QUARTERED


@dataclass(frozen=True, slots=True)
class Settings:
    """`weights`: of each loss by name; 0 leaves it out."""

    weights: Mapping[str, float] = field(default_factory=lambda: {"sparse": 1.0, "dense": 1.0})
    width: int = 384  # channels of the head's output
    cells: int = 30  # a side, of the maps that the head sees
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
        """A copy with some fields replaced; None leaves a field as it is.

        Raises:
            KapbenchError: a width that does not split into the groups of a normalisation.
        """
        changed = replace(self, **{k: value for k, value in options.items() if value is not None})
        if changed.width % QUARTERED:
            raise KapbenchError(
                f"The width is {changed.width}",
                place="kapbench train geoaware.supervised --width",
                fix=f"Give a multiple of {QUARTERED}",
            )
        return changed

    def without(self, losses: tuple[str, ...]) -> "Settings":
        return replace(self, weights=dict(self.weights) | dict.fromkeys(losses, 0.0))


LITE0 = Settings()
# What the released training says of itself: its script's defaults and one pass over SPair's 53,339
# pairs. The unit of its label noise (0.1) is not known here, nor the weights of its losses.
PAPER = Settings(
    width=768, cells=60, steps=53_339, batch=1, rate=1.25e-3, warm_up=0.3, average=0.0, clip=0.0
)
PRESETS = {"lite0": LITE0, "paper": PAPER}


def named(preset: str) -> Settings:
    """Raises KapbenchError where no preset has this name."""
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    return PRESETS[preset]
