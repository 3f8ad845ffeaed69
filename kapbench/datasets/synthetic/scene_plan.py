"""Plans a split before it is rendered: instances, shots, keypoint tables."""

import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Int

from kapbench.datasets.synthetic.objects import BUILDERS
from kapbench.datasets.synthetic.paint import hue
from kapbench.datasets.synthetic.render import Shot
from kapbench.errors import KapbenchError, unknown
from kapbench.storage import fingerprint
from kapbench.types import AZIMUTH_BINS

GENERATOR = "1"  # increased whenever a rendered pixel or an annotation changes
SPLITS = ("trn", "val", "test")
FROM_ANYWHERE, FLANK_SPREAD = 0.25, 0.75  # share of views; radians
SIZES = ((256, 256), (288, 240), (304, 224), (240, 272))


@dataclass(frozen=True)
class Settings:
    """Settings that determine a split completely."""

    split: str
    marking: float
    seed: int
    instances: int  # per category
    views: int  # per instance
    pairs: int  # per category

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise unknown("split", self.split, SPLITS, place="synthetic")
        if not 0 <= self.marking <= 1:
            raise KapbenchError(
                f"The marking {self.marking} is out of range",
                place="synthetic",
                fix="Choose a number from 0 to 1",
            )
        if min(self.instances - 1, self.views, self.pairs) < 1:
            raise KapbenchError(
                f"{self.instances} instances, {self.views} views and {self.pairs} pairs are too few",
                place="synthetic",
                fix="Give at least two instances, one view and one pair",
            )

    @property
    def hash(self) -> str:
        return fingerprint(GENERATOR, asdict(self))


@dataclass(frozen=True)
class Image:
    """One image to render."""

    category: str
    instance: int
    view: int
    shape_seed: tuple[int, ...]  # of the object: the same in all its views
    shot: Shot

    @property
    def image_id(self) -> str:
        return f"{self.category}/{self.instance:04d}-{self.view}"

    @property
    def azimuth_bin(self) -> int:
        return round(self.shot.azimuth / (2 * np.pi) * AZIMUTH_BINS) % AZIMUTH_BINS


def images(settings: Settings) -> Iterator[Image]:
    """By category, instance and view. Splits share no instance: the split is part of each seed."""
    for category in BUILDERS:
        base = (settings.seed, zlib.crc32(category.encode()), SPLITS.index(settings.split))
        for instance in range(settings.instances):
            rng = np.random.default_rng([*base, instance, 1])
            start = rng.uniform(0, 2 * np.pi)
            for view in range(settings.views):
                shape = (*base, instance)
                turn = _azimuth(start + 2 * np.pi * view / settings.views, rng)
                yield Image(category, instance, view, shape, _shot(turn, rng))


def _azimuth(even: float, rng: np.random.Generator) -> float:
    """One view in four from any direction, the others of a flank, where the far side is hidden.

    Only then is a keypoint absent while its twin is visible, which is what KAP measures.
    """
    if rng.random() < FROM_ANYWHERE:
        return float((even + rng.uniform(-0.3, 0.3)) % (2 * np.pi))
    flank = rng.choice([np.pi / 2, 3 * np.pi / 2])
    return float(flank + rng.uniform(-FLANK_SPREAD, FLANK_SPREAD))


def _shot(azimuth: float, rng: np.random.Generator) -> Shot:
    def draw(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    return Shot(
        azimuth=azimuth,
        elevation=draw(0.04, 0.3),
        size=SIZES[int(rng.integers(len(SIZES)))],
        fill=draw(0.62, 0.9),
        shift=(draw(-0.05, 0.05), draw(-0.04, 0.06)),
        light=(draw(-0.8, 0.8), draw(0.6, 1.0), draw(0.2, 0.8)),
        ground=hue(float(rng.random()), draw(0.05, 0.45), draw(0.35, 0.8)),
        sky=hue(draw(0.5, 0.65), draw(0.05, 0.4), draw(0.7, 1.0)),
        seed=int(rng.integers(1 << 30)),
    )


def symmetry(names: list[str]) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"]]:
    """Groups and twins by name: `L` and `R` are twins; twins that differ by a digit, one group."""
    part = [n[1:].rstrip("0123456789") if n[0] in "LR" else n for n in names]
    kinds = list(dict.fromkeys(p for p in part if part.count(p) > 1))
    groups = [kinds.index(p) if p in kinds else -1 for p in part]
    other = {"L": "R", "R": "L"}
    twins = [names.index(other[n[0]] + n[1:]) if n[0] in other else k for k, n in enumerate(names)]
    return np.array(groups), np.array(twins)
