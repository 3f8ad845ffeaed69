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

# plain: a difference, which has no end. logit: log((v − a) / (1 − v)) of a score that is at least a
# and at most 1; a is 0 for shares, above 0 for KAP, and below 0 for skill.
Scale = Literal["plain", "logit"]
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
    lowest: float = 0.0  # of the logit scale

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
        if self.scale == "logit":
            return self._between_lowest_and_1()
        return self.value - self.half_width, self.value + self.half_width

    def _between_lowest_and_1(self) -> tuple[float, float]:
        """At either of them, where no resample differs, the other end is Wilson's for one trial an
        image. A KAP or skill within half the plain interval of its lowest value, as of random maps,
        has the plain interval: the logit has no bound there, but the score has.
        """
        lowest, whole = self.lowest, 1 - self.lowest
        above, below = self.value - lowest, 1 - self.value
        if lowest and self.error and above <= self.half_width:
            low = min(max(lowest, self.value - self.half_width), self.value)
            return low, min(1.0, self.value + self.half_width)
        if above <= _AT_END or below <= _AT_END:
            squared = _quantile(math.inf) ** 2
            room = whole * squared / (self.n_images + squared)
            return (lowest, lowest + room) if above <= _AT_END else (1 - room, 1.0)
        odds = above / below
        factor = math.exp(min(self.half_width * whole / (above * below), _LARGEST))
        low, high = odds / factor, odds * factor
        return lowest + whole * low / (1 + low), lowest + whole * high / (1 + high)


def degrees_of_freedom(
    value: Float64[np.ndarray, "c"],
    error: Float64[np.ndarray, "c"],
    n_images: Int[np.ndarray, "c"],
    scale: Scale,
    lowest: Float64[np.ndarray, "c"] | float = 0.0,
) -> Float64[np.ndarray, "c"]:
    """Of the standard error of each category's score.

    Of a difference (n − 1) / 2 for n images, since the noise of pairs and the effects of images are
    estimated from the same few images. Of a score (n − 1) / 3: what two models have in common, such
    as an image far from the others, is in its error and not in that of a difference. Fewer where few
    images carry all that a score lacks to an end of its range: with the distance d to that end,
    (d / error)² is the number of independent failures that would give this error, and there is one
    degree of freedom for ten of them, but never less than 2.5. All were chosen by simulation:
    benchmarks/studies/coverage.py.
    """
    if scale == "plain":
        return np.asarray((n_images - 1) / 2)
    of_images = (n_images - 1) / 3
    distance = np.minimum(value - lowest, 1 - value)
    with np.errstate(invalid="ignore", divide="ignore"):  # no error, no value
        failures = (distance / error) ** 2
    fewest = np.fmax(_FEWEST, failures / _FAILURES_PER_FREEDOM)
    return np.asarray(np.fmin(of_images, fewest))


_FEWEST, _FAILURES_PER_FREEDOM = 2.5, 10
_LARGEST = 300.0  # on a logarithmic scale: e^300, and its product with any odds, is a finite number


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return 1.959963984540054 if math.isinf(freedom) else float(stdtrit(freedom, 0.975))
