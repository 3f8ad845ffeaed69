"""Every number that shapes a training of geoaware.supervised."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kapbench.errors import KapbenchError, unknown
from kapbench_baselines.aggregation_head.network import QUARTERED
from kapbench_baselines.training.settings import WeightedSettings


@dataclass(frozen=True, slots=True)
class Settings(WeightedSettings):
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
        changed = WeightedSettings.with_options(self, options)
        _check_width(changed.width)
        return changed


@dataclass(frozen=True, slots=True)
class PaperSettings(WeightedSettings):
    """The published training: configs/train_spair.yaml and defaults of pck_train.py at 99fd6b6.

    `steps` follow from `epochs` and the number of pairs, unless they are set. What is not listed here
    is a constant of `published_losses`.
    """

    weights: Mapping[str, float] = field(
        default_factory=lambda: {
            "sparse": 1.0,
            "dense": 1.0,
            "both_mirrored": 1.0,
            "self_mirrored": 0.25,
        }
    )
    width: int = 768
    cells: int | None = None  # a side, of the maps that the head sees; None: the backbone's own
    dropout: float = 0.2
    epochs: int = 2
    steps: int = 0
    batch: int = 1  # pairs
    rate: float = 1.25e-3
    schedule: str = "one_cycle"
    warm_up: float = 0.3
    weight_decay: float = 1e-3
    average: float = 0.0
    clip: float = 0.0
    pck_rule: str = "pck-geoaware-soft"  # of the val scores by which the best weights are kept

    def with_options(self, options: Mapping[str, Any]) -> "PaperSettings":
        """A copy with some fields replaced; None leaves a field as it is.

        Raises:
            KapbenchError: a width that does not split into the groups of a normalisation, or a share
                of mirrored pairs, which every step has here.
        """
        if options.get("mirror") is not None:
            raise KapbenchError(
                "The published training mirrors every pair",
                place="kapbench train geoaware.supervised --preset paper",
                fix="Leave --mirror out; --without both_mirrored leaves that term out",
            )
        changed = WeightedSettings.with_options(self, options)
        _check_width(changed.width)
        return changed

    def for_pairs(self, n_pairs: int) -> "PaperSettings":
        """With the steps that pass over the pairs `epochs` times, unless they are set."""
        return self if self.steps else replace(self, steps=self.epochs * -(-n_pairs // self.batch))


LITE0, PAPER = Settings(), PaperSettings()
PRESETS: Mapping[str, Settings | PaperSettings] = {"lite0": LITE0, "paper": PAPER}


def named(preset: str) -> Settings | PaperSettings:
    """Raises KapbenchError where no preset has this name."""
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    return PRESETS[preset]


def _check_width(width: int) -> None:
    if width % QUARTERED:
        raise KapbenchError(
            f"The width is {width}",
            place="kapbench train geoaware.supervised --width",
            fix=f"Give a multiple of {QUARTERED}",
        )
