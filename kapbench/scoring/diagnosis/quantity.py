"""A number per group with its replicates, of which averages, intervals and differences are taken."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kapbench.scoring.bootstrap import Replicates, interval
from kapbench.scoring.intervals import Interval, Scale


@dataclass(frozen=True)
class Quantity:
    """`weights` [g]: what each group weighs in the average; None: no average is taken of them.

    `scale`: of the interval; `lowest`: the least possible values of groups on the logit scale.
    """

    replicates: Replicates
    weights: Float64[np.ndarray, "g"] | None
    scale: Scale = "plain"
    lowest: Float64[np.ndarray, "g"] | float = 0.0

    def mean(self) -> Interval:
        """The average over groups. Raises ValueError: of keypoints none is taken."""
        if self.weights is None:
            raise ValueError("keypoints have no average")
        return interval(self.replicates, self.weights, self.scale, self.lowest)

    def of_group(self, group: int | None) -> Interval:
        """Of one group; None: the average."""
        if group is None:
            return self.mean()
        return interval(
            self.replicates, np.eye(len(self.replicates.value))[group], self.scale, self.lowest
        )

    def __sub__(self, other: "Quantity") -> "Quantity":
        """The paired difference of two quantities on the same resamples."""
        return Quantity(self.replicates - other.replicates, self.weights)
