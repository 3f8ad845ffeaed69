"""Two models' scores by category: one over the other, and their difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench_leaderboard.figures.place_labels import Label, place_labels
from kapbench_leaderboard.figures.style import (
    BLACK,
    BLUE,
    FONT_PT,
    GREY,
    VERMILION,
    Style,
    blank,
    styled,
)

_SIDE_IN, _ROW_IN = 3.1, 0.19
_AXES = (0.14, 0.14, 0.83, 0.83)
_MARK_PT, _N_STEPS = 5.5, 24
_MOST_STEPS = 5  # of an axis: each tick costs as much time as a mark


@dataclass(frozen=True, slots=True)
class Both:
    """Two models in one category, scores in 0 … 1: (value, low, high), ends NaN where unknown.

    `difference`: the first less the second, on the same resamples. `significant`: after correction.
    """

    category: str
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    difference: tuple[float, float, float]
    significant: bool

    @property
    def gid(self) -> str:
        """What hovering finds it by."""
        return f"category-{self.category}"


def look(both: Both) -> Style:
    """Significant: filled, a triangle towards the better model. Otherwise a hollow circle."""
    if not both.significant:
        return _mark("o", GREY, "none", 0.8 * _MARK_PT)
    first = both.difference[0] > 0
    colour = BLUE if first else VERMILION
    return _mark(">" if first else "^", colour, colour, _MARK_PT)


def _mark(marker: str, edge: str, face: str, size_pt: float) -> Style:
    colours = {"markeredgecolor": edge, "markerfacecolor": face}
    return {"marker": marker, **colours, "markersize": size_pt}


def draw_scatter(points: Sequence[Both], names: tuple[str, str], metric: str) -> Figure:
    """The first model to the right, the second upwards; below the line the first is better."""
    with styled():
        figure = blank(_SIDE_IN, _SIDE_IN)
        axes = figure.add_axes(_AXES)
        low, high = _range(points)
        axes.set(xlim=(low, high), ylim=(low, high))
        axes.locator_params(nbins=_MOST_STEPS)
        axes.grid(visible=True, color=GREY, alpha=0.25, linewidth=0.5)
        axes.plot([low, high], [low, high], color=GREY, linewidth=0.9, linestyle="--", zorder=1)
        axes.set_xlabel(f"{metric} of {names[0]}")
        axes.set_ylabel(f"{metric} of {names[1]}")
        axes.tick_params(length=0, pad=3, colors=GREY)
        for both in points:
            _cross(axes, both)
        _name_all(axes, points)
    return figure


def draw_differences(points: Sequence[Both], names: tuple[str, str], metric: str) -> Figure:
    """A row a category, the largest difference in favour of the first model on top."""
    ordered = sorted(points, key=lambda both: both.difference[0])
    with styled():
        height_in = _ROW_IN * (len(ordered) + 1) + 0.72
        figure = blank(_SIDE_IN, height_in)
        bottom, left = 0.36 / height_in, 0.29
        axes = figure.add_axes((left, bottom, 0.97 - left, 1 - bottom - 0.36 / height_in))
        axes.set_yticks(range(len(ordered)), [each.category for each in ordered])
        axes.locator_params(axis="x", nbins=_MOST_STEPS)
        axes.axvline(0, color=GREY, linewidth=0.9)
        axes.grid(visible=True, axis="x", color=GREY, alpha=0.25, linewidth=0.5)
        for row, both in enumerate(ordered):
            value, low, high = (100 * each for each in both.difference)
            axes.plot([low, high], [row, row], color=look(both)["markeredgecolor"], linewidth=1)
            (made,) = axes.plot([value], [row], linestyle="none", **_difference_look(both))
            made.set_gid(both.gid)
        axes.set_ylim(-0.7, len(ordered) - 0.3)
        _symmetric(axes)
        axes.tick_params(length=0, pad=3)
        axes.set_xlabel(f"difference of {metric} in points")
        small: Style = {"fontsize": FONT_PT - 0.5, "color": GREY, "pad": 4}
        axes.set_title(f"← {names[1]} better\n", loc="left", **small)
        axes.set_title(f"{names[0]} better →", loc="right", **small)
    return figure


def _difference_look(both: Both) -> Style:
    if not both.significant:
        return look(both)
    return {**look(both), "marker": ">" if both.difference[0] > 0 else "<"}


def _symmetric(axes: Axes) -> None:
    most = max(map(abs, axes.get_xlim()))
    axes.set_xlim(-most, most)


def _range(points: Sequence[Both]) -> tuple[float, float]:
    """Of all scores with their intervals, ×100, with a margin."""
    ends = [100 * v for both in points for score in (both.first, both.second) for v in score]
    known = [end for end in ends if not math.isnan(end)]
    margin = max(0.08 * (max(known) - min(known)), 2.0)
    return max(min(known) - margin, 0.0), min(max(known) + margin, 100.0)


def _cross(axes: Axes, both: Both) -> None:
    (x, *x_ends), (y, *y_ends) = ([100 * v for v in each] for each in (both.first, both.second))
    colour = look(both)["markeredgecolor"]
    axes.plot(x_ends, [y, y], color=colour, linewidth=0.7, alpha=0.6, zorder=2)
    axes.plot([x, x], y_ends, color=colour, linewidth=0.7, alpha=0.6, zorder=2)
    (made,) = axes.plot([x], [y], linestyle="none", zorder=3, **look(both))
    made.set_gid(both.gid)


def _name_all(axes: Axes, points: Sequence[Both]) -> None:
    """Names beside their marks, clear of intervals and of the line of equal scores where they can."""
    low, high = axes.get_xlim()
    steps = np.linspace(low, high, _N_STEPS + 1)
    spans = [(start, start, end, end) for start, end in pairwise(steps)]
    for both in points:
        (x, *x_ends), (y, *y_ends) = ([100 * v for v in each] for each in (both.first, both.second))
        if not any(map(math.isnan, (*x_ends, *y_ends))):
            spans += [(x_ends[0], y, x_ends[1], y), (x, y_ends[0], x, y_ends[1])]
    labels = [
        Label(both.category, (100 * both.first[0], 100 * both.second[0]), BLACK) for both in points
    ]
    place_labels(axes, labels, FONT_PT, spans)
