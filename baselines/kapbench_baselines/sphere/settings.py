"""Every number of training, by name; the paper's, and those tuned for lite0."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from kapbench.errors import KapbenchError, unknown
from kapbench_baselines.training.settings import TrainerSettings

MAPPED = {"sd_dino": "dinov2.vitb14"}  # by model of pairs: the encoder that its mapper reads
NAMES = ("reconstruction", "relative_distance", "orientation", "viewpoint")  # of the losses


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Views of an image: it whole, and squares around the object; or random resized crops of it.

    Sides and shifts of squares are in units of the box's longer side.
    """

    crops: int = 6
    side: tuple[float, float] = (0.9, 2.2)
    shift: float = 0.15
    mirror: bool = True
    grid: int = 20  # tokens a side
    side_px: int = 512
    seed: int = 0
    area: tuple[float, float] | None = None  # of resized crops, in images; None: squares

    @property
    def encodes_mirrors(self) -> bool:
        """Squares keep theirs undrawn too: a training with and one without share what is encoded."""
        return self.mirror or self.area is None

    def as_dict(self) -> dict[str, Any]:
        """What the encoded views hang on."""
        left_out = {"mirror", "area"} if self.area is None else set()
        return {key: value for key, value in asdict(self).items() if key not in left_out}


@dataclass(frozen=True, slots=True)
class Losses:
    """Weights and constants of the four losses (paper, Sec. 4 and released configuration)."""

    reconstruction: float = 1.0
    relative_distance: float = 0.3
    margin: float = 0.5
    orientation: float = 0.3
    min_determinant: float = 0.7
    viewpoint: float = 0.1
    triplets: int = 32  # an image
    decoded_tokens: int = 64  # an image, drawn; 0: every one of the object
    released_triplets: bool = False  # see `objective.terms`


@dataclass(frozen=True, slots=True)
class Settings(TrainerSettings):
    """All that shapes the weights beside data, backbone and seed."""

    width: int = 384
    heads: int = 6
    depth: int = 1
    dropout: float = 0.0
    standardise: bool = False  # tokens by their mean and scale over the training views
    normed: bool = False  # whether the mapper reads layer-normalised tokens
    steps: int = 5000
    batch: int = 64
    tokens: int = 400  # drawn from each view at every step; at most grid * grid
    rate: float = 1e-3
    schedule: str = "constant"  # constant, cosine
    warm_up: float = 0.0  # share of the steps
    weight_decay: float = 0.0
    average: float = 0.0  # decay of the weights' moving average; 0: none
    clip: float = 0.0  # largest norm of the mapper's gradient; 0: none
    token_grid: int = 32  # cells a side at inference
    backbone_px: int | None = None  # of the backbone's images in training; None: its default
    losses: Losses = field(default_factory=Losses)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def with_crops(self, crops: int | None) -> "Settings":
        """A copy with so many crops an image; None leaves them as they are.

        Raises:
            KapbenchError: none, where crops are all that is seen.
        """
        if crops is None:
            return self
        if crops == 0 and self.augmentation.area is not None:
            raise KapbenchError(
                "This preset shows crops only, so it needs at least one",
                place="--crops 0",
                fix="Give 1 or more",
            )
        return replace(self, augmentation=replace(self.augmentation, crops=crops))

    @property
    def weights(self) -> dict[str, float]:
        """Of each loss by name."""
        return {name: getattr(self.losses, name) for name in NAMES}

    def without(self, losses: tuple[str, ...]) -> "Settings":
        """A copy that leaves some losses out."""
        zeroed: dict[str, Any] = dict.fromkeys(losses, 0.0)
        return replace(self, losses=replace(self.losses, **zeroed))


# The released configuration (configs/SPair.yaml, VICO-UoE/SphericalMaps @620fe28) where it can be
# said; docs/sphere.md lists what cannot. An epoch is SPair's 997 training images, each ten times.
PAPER = Settings(
    steps=200 * math.ceil(10 * 997 / 64),
    tokens=32 * 32,
    token_grid=60,
    backbone_px=448,
    losses=Losses(decoded_tokens=0, released_triplets=True),
    augmentation=Augmentation(crops=10, area=(0.5, 1.5), mirror=False, grid=32, side_px=448),
)
LITE0 = Settings(
    width=160,
    heads=4,
    standardise=True,
    steps=2500,
    batch=32,
    tokens=160,
    schedule="cosine",
    warm_up=0.1,
    average=0.998,
    clip=1.0,
    token_grid=20,
    augmentation=Augmentation(crops=11),
)
PRESETS = {"paper": PAPER, "lite0": LITE0}


def named(preset: str) -> Settings:
    """Raises KapbenchError where no preset has this name."""
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    return PRESETS[preset]
