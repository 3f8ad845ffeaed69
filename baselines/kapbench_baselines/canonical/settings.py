"""Every number that shapes a training of dve or asic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kapbench.errors import unknown
from kapbench_baselines.canonical.square_views import SquareWarping
from kapbench_baselines.canonical.tps_warps import TpsWarping
from kapbench_baselines.canonical.warps import Warping
from kapbench_baselines.training.settings import WeightedSettings


@dataclass(frozen=True, slots=True)
class Settings(WeightedSettings):
    """The training of `--preset lite0`."""

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


@dataclass(frozen=True, slots=True)
class DvePaperSettings(WeightedSettings):
    """The published training of DVE: configs/celeba/smallnet-64d-dve.json of github.com/jamt9000/DVE.

    `steps` follow from `epochs` and the numbers of images, unless they are set. `bias_rate` is the
    learning rate of biases at the start.
    """

    preset: str = "paper"
    weights: Mapping[str, float] = field(default_factory=lambda: {"equivariance": 1.0})
    width: int = 256
    n_dimensions: int = 64
    epochs: int = 100
    steps: int = 0
    batch: int = 32  # images of one category
    rate: float = 1e-3
    bias_rate: float | None = 1e-5
    amsgrad: bool = True
    schedule: str = "steps"
    warm_up: float = 0.0
    weight_decay: float = 0.0
    average: float = 0.0
    clip: float = 0.0
    warping: TpsWarping = field(default_factory=TpsWarping)

    def for_images(self, n_images: Sequence[int]) -> "DvePaperSettings":
        """With the steps of `epochs` passes over the images, unless they are set.

        Args:
            n_images: Of each category, whose batches are its own.
        """
        if self.steps:
            return self
        return replace(self, steps=self.epochs * sum(self.n_batches(n) for n in n_images))

    def n_batches(self, n_images: int) -> int:
        """Of one pass over a category."""
        return math.ceil(n_images / self.batch)


@dataclass(frozen=True, slots=True)
class AsicPaperSettings(WeightedSettings):
    """ASIC's published training without its perceptual reconstruction of the pixels (weight 1).

    Other numbers are defaults of train.py of github.com/kampta/asic. `steps` are 20,000 for each
    category, unless they are set.
    """

    preset: str = "paper-like"
    weights: Mapping[str, float] = field(
        default_factory=lambda: {
            "match": 30.0,
            "equivariance": 1.0,
            "variation": 15000.0,
            "parts": 10.0,
            "mask": 0.1,
        }
    )
    width: int = 256
    image_px: int = 256  # a side of flow fields and atlases
    n_parts: int = 4
    steps: int = 0
    batch: int = 20  # images
    rate: float = 3e-3
    schedule: str = "restarts"
    warm_up: float = 0.0
    weight_decay: float = 0.0
    average: float = 0.0
    clip: float = 0.0
    warping: SquareWarping = field(default_factory=SquareWarping)

    def for_categories(self, n_categories: int) -> "AsicPaperSettings":
        return self if self.steps else replace(self, steps=20_000 * n_categories)


AnyWarping = Warping | TpsWarping | SquareWarping
AnySettings = Settings | DvePaperSettings | AsicPaperSettings

DVE = Settings(weights={"equivariance": 1.0})
ASIC = Settings(
    weights={"match": 1.0, "equivariance": 1.0, "reconstruction": 0.5, "variation": 0.1}
)
PRESETS: Mapping[str, Mapping[str, AnySettings]] = {
    "dve": {"lite0": DVE, "paper": DvePaperSettings()},
    "asic": {"lite0": ASIC, "paper-like": AsicPaperSettings()},
}


def named(method: str, preset: str) -> AnySettings:
    """Raises KapbenchError where the method has no preset of this name."""
    if preset not in PRESETS[method]:
        raise unknown("preset", preset, PRESETS[method], place=f"kapbench train {method}")
    return PRESETS[method][preset]
