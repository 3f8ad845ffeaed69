"""A score or a difference with its standard error, and the 95 % interval on the scale that fits it.

Near an end of its range a score's distribution is skewed, and value ± t · error leaves the range or
misses the truth. There the interval is taken of a function of the score that has no end, with the
error carried over by the delta method, and carried back.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int

# plain: a difference, which has no end. logit: log(v / (1 − v)) of a share or precision, 0 … 1.
# balanced-logit: log((v − a) / (1 − v)) of a precision of two labels of equal weight: where every
# negative is above every positive it is a = 1 − log 2, the integral of r / (1 + r) over recalls r.
# log-complement: log(1 − v) of a skill, which is at most 1 and has no lower end.
Scale = Literal["plain", "logit", "balanced-logit", "log-complement"]
_LOWEST: dict[Scale, float] = {"logit": 0.0, "balanced-logit": 1 - math.log(2)}
_AT_END = 1e-12  # sums of weighted ones may miss 1 by so much


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, its standard error, the degrees of freedom of that, and the 95 % interval.

    `n_images`: images behind the value; of an average over categories, as many as would give its
    variance if images of all categories varied alike. The ends of `low` and `high` are NaN where the
    error is.
    """

    value: float
    error: float
    freedom: float
    scale: Scale = "plain"
    n_images: float = math.nan

    @property
    def half_width(self) -> float:
        """Of the interval on the plain scale."""
        return self.error * _quantile(self.freedom)

    @property
    def low(self) -> float:
        return self._ends()[0]

    @property
    def high(self) -> float:
        return self._ends()[1]

    @property
    def p(self) -> float:
        """Chance of a value this far from 0, either way, if the truth were 0."""
        from scipy.special import stdtr

        if math.isnan(self.error) or not self.error:
            return math.nan if math.isnan(self.error) else float(self.value == 0)
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    def _ends(self) -> tuple[float, float]:
        if math.isnan(self.error) or math.isnan(self.value):
            return math.nan, math.nan
        if self.scale in _LOWEST:
            return self._between(_LOWEST[self.scale])
        if self.scale == "log-complement":
            return self._below_1()
        return self.value - self.half_width, self.value + self.half_width

    def _between(self, lowest: float) -> tuple[float, float]:
        """`lowest` … 1. At either of them, where no resample differs, the other end is Wilson's for
        one trial an image.
        """
        whole = 1 - lowest
        above, below = self.value - lowest, 1 - self.value
        if above <= _AT_END or below <= _AT_END:
            squared = _quantile(math.inf) ** 2
            room = whole * squared / (self.n_images + squared)
            return (lowest, lowest + room) if above <= _AT_END else (1 - room, 1.0)
        odds = above / below
        factor = math.exp(min(self.half_width * whole / (above * below), _LARGEST))
        low, high = odds / factor, odds * factor
        return lowest + whole * low / (1 + low), lowest + whole * high / (1 + high)

    def _below_1(self) -> tuple[float, float]:
        """None at 1, where no resample differs: how far a skill can fall depends on the chance."""
        if self.value >= 1 - _AT_END:
            return math.nan, math.nan
        rest = 1 - self.value
        factor = math.exp(min(self.half_width / rest, _LARGEST))
        return 1 - rest * factor, 1 - rest / factor


def degrees_of_freedom(
    value: Float64[np.ndarray, "c"],
    error: Float64[np.ndarray, "c"],
    n_images: Int[np.ndarray, "c"],
    scale: Scale,
) -> Float64[np.ndarray, "c"]:
    """Of the standard error of each category's score.

    (n − 1) / 2 for n images, since the noise of pairs and the effects of images are estimated from
    the same few images. Fewer where few images carry all that a score lacks to an end of its range:
    with the distance d to that end, (d / error)² is the number of independent failures that would
    give this error, and there is one degree of freedom for ten of them, but never less than 2.5.
    Both were chosen by simulation: benchmarks/studies/coverage.py.
    """
    of_images = (n_images - 1) / 2
    if scale == "plain":
        return np.asarray(of_images)
    above = value - _LOWEST[scale] if scale in _LOWEST else np.inf
    distance = np.minimum(above, 1 - value)
    with np.errstate(invalid="ignore", divide="ignore"):  # no error, no value
        failures = (distance / error) ** 2
    fewest = np.fmax(_FEWEST, failures / _FAILURES_PER_FREEDOM)
    return np.asarray(np.fmin(of_images, fewest))


_FEWEST, _FAILURES_PER_FREEDOM = 2.5, 10
_LARGEST = 300.0  # on a logarithmic scale: e^300, and its product with any odds, is a finite number


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return 1.959963984540054 if math.isinf(freedom) else float(stdtrit(freedom, 0.975))
