"""What a method brings to the shared loop, and how its weights travel."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


@runtime_checkable
class Course(Protocol):
    """Numbers of the optimisation; any settings with these fields will do."""

    @property
    def steps(self) -> int: ...
    @property
    def rate(self) -> float: ...
    @property
    def schedule(self) -> str:
        """How the rate changes.

        * constant: it stays as it is.
        * cosine: it falls to zero.
        * one_cycle: it rises, and then falls to zero.
        * steps: it is divided by 10 after 70 % of the steps, and by 10 again after 90 %.
        * restarts: it falls to zero over the first half of the steps, starts again at nine tenths,
          and falls at half the speed.
        """

    @property
    def bias_rate(self) -> float | None:
        """Of parameters whose names end in "bias", by the same schedule; None: `rate`."""

    @property
    def amsgrad(self) -> bool:
        """Whether the optimiser divides by the largest second moment so far (AMSGrad)."""

    @property
    def warm_up(self) -> float:
        """Share of the steps over which the rate rises."""

    @property
    def weight_decay(self) -> float: ...
    @property
    def average(self) -> float:
        """Decay of the weights' moving average; 0: none."""

    @property
    def clip(self) -> float:
        """Largest norm of the main module's gradient; 0: none."""


@runtime_checkable
class Task(Protocol):
    """One method's networks and losses, on one device.

    The module called `main` is averaged, validated and saved; the others help it to learn.
    """

    @property
    def modules(self) -> Mapping[str, nn.Module]: ...
    @property
    def main(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]:
        """Of the losses."""

    def prepare(self) -> None:
        """Once before the first step of a fresh training: statistics of the data, say."""

    def losses(self, generator: torch.Generator, *, bf16: bool, parts: int) -> Float[Tensor, "n"]:
        """Unweighted losses of one step, in the order of `names`; all chance is the generator's.

        Call the networks through `map_in_parallel`, so that the losses do not depend on the number
        of ranks and parts.

        Args:
            bf16: Whether networks multiply in bfloat16; losses stay in float32.
            parts: For `map_in_parallel`.
        """

    def weighted(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""]: ...


class ShapedTask(Task, Protocol):
    """A task of several categories, with a head for each."""

    def shape(self, n_categories: int) -> dict[str, Any]:
        """What builds the heads again."""
