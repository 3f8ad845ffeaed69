"""What a file of trained weights says of itself."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.storage import fingerprint
from kapbench_baselines.training.options import TrainingSetup

MAX_WIDTH, MAX_CELLS = 1 << 20, 1 << 12  # channels; cells a side of a map


@dataclass(frozen=True, slots=True)
class Card:
    """What a weights file says of itself. `shape` builds the module that the tensors fit."""

    method: str
    backbone: str
    backbone_revision: str
    backbone_spec: str | None
    categories: tuple[str, ...]
    dataset: str
    dataset_revision: str
    split: str
    n_images: int
    supervision: str
    seed: int
    steps: int
    shape: Mapping[str, Any]
    settings: Mapping[str, Any]
    scores: Mapping[str, float] = field(default_factory=dict)  # on the val split
    kept_step: int | None = None  # whose weights these are
    precision: str | None = None
    device: str | None = None
    torch: str | None = None

    @classmethod
    def of(
        cls,
        setup: TrainingSetup,
        method: str,
        supervision: str,
        shape: Mapping[str, Any],
        settings: Mapping[str, Any],
    ) -> "Card":
        """`settings` must hold the number of `steps`."""
        return cls(
            method=method,
            backbone=setup.encoder.name,
            backbone_revision=setup.encoder.revision,
            backbone_spec=setup.backbone_spec,
            categories=setup.categories,
            dataset=setup.dataset.name,
            dataset_revision=setup.dataset.revision,
            split=setup.dataset.split,
            n_images=len(setup.views),
            supervision=supervision,
            seed=setup.request.seed,
            steps=int(settings["steps"]),
            shape=dict(shape),
            settings=dict(settings),
        )

    def shape_flag(self, key: str, default: bool) -> bool:
        """A choice of the shape. KapbenchError where it is neither true nor false."""
        value = self.shape.get(key, default)
        if type(value) is not bool:
            raise KapbenchError(
                f"The weights' card gives {value!r} for {key}, not true or false",
                place=f"weights of {self.method}",
                fix="Train again, or restore the file",
            )
        return value

    def shape_number(self, key: str, most: int) -> int:
        """A number of the shape. KapbenchError where it is not a whole number from 1 to `most`."""
        value = self.shape.get(key)
        if type(value) is not int or not 1 <= value <= most:
            raise KapbenchError(
                f"The weights' card gives {value!r} for {key}, not a number from 1 to {most:,}",
                place=f"weights of {self.method}",
                fix="Train again, or restore the file",
            )
        return value

    @property
    def identity(self) -> str:
        """What a training is of: method, settings, data, backbone, seed."""
        return fingerprint(self._training)

    def is_of(self, other: "Card") -> bool:
        """Whether both are of one training; a card that was read back has its keys in other order."""
        one, two = (json.dumps(card._training, sort_keys=True) for card in (self, other))
        return one == two

    @property
    def _training(self) -> dict[str, Any]:
        """The card as it is before the training has a result."""
        before = replace(self, scores={}, precision=None, device=None, torch=None)
        return {k: v for k, v in asdict(before).items() if k != "kept_step"}

    @property
    def learnt_from(self) -> str:
        return f"{self.dataset} {self.split}"
