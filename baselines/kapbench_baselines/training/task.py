"""What a method brings to the shared loop, and how its weights travel."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

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
        """constant; cosine: down to nothing; one_cycle: up, and down to nothing; steps: a tenth
        after 70 % of the steps, and of that after 90 %; restarts: down to nothing over half of
        the steps, and again more slowly."""

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
