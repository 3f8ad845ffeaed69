"""What the settings of all trainers can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from kapbench.errors import KapbenchError

Own = TypeVar("Own", bound="TrainerSettings")
WithWeights = TypeVar("WithWeights", bound="WeightedSettings")
WithLosses = TypeVar("WithLosses", bound="HasLosses")


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """See `training.task.Course` for the fields that the optimisation reads."""

    @property
    def bias_rate(self) -> float | None:
        return None

    @property
    def amsgrad(self) -> bool:
        return False

    def with_options(self: Own, options: Mapping[str, Any]) -> Own:
        """A copy with some fields replaced; None leaves a field as it is."""
        return replace(self, **{key: value for key, value in options.items() if value is not None})


@dataclass(frozen=True, slots=True)
class WeightedSettings(TrainerSettings):
    """`weights`: of each loss by name; 0 leaves it out, which is how ablations are made."""

    weights: Mapping[str, float]

    def without(self: WithWeights, losses: tuple[str, ...]) -> WithWeights:
        """A copy that leaves some losses out."""
        return replace(self, weights=dict(self.weights) | dict.fromkeys(losses, 0.0))


@runtime_checkable
class HasLosses(Protocol):
    @property
    def weights(self) -> Mapping[str, float]: ...

    def without(self: WithLosses, losses: tuple[str, ...]) -> WithLosses: ...


def leave_out(settings: WithLosses, losses: Sequence[str], method: str) -> WithLosses:
    """Settings without some of their losses. KapbenchError for an unknown loss."""
    for name in losses:
        if name not in settings.weights:
            raise KapbenchError(
                f"Unknown loss '{name}'",
                place=f"kapbench train {method} --without",
                fix=f"Choose from {', '.join(settings.weights)}",
            )
    return settings.without(tuple(losses))
