"""A small chart of a page: one model's line, and those it is compared with, paler."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench_leaderboard.figures.style import BLUE, FONT_PT, GREY, VERMILION, Style, blank, styled

_SIZE_IN = (3.1, 2.35)
_AXES = (0.13, 0.17, 0.82, 0.66)
# The model, another model, a control: each has a line and a marker of its own.
LOOKS: tuple[Style, ...] = (
    {"color": BLUE, "linewidth": 1.8, "marker": "o", "markersize": 3.5},
    {"color": VERMILION, "linewidth": 0.9, "linestyle": "--", "marker": "s", "markersize": 2.5},
    {"color": GREY, "linewidth": 0.9, "linestyle": ":", "marker": "^", "markersize": 2.5},
)


@dataclass(frozen=True)
class Line:
    """`points` [n 2]: x, and y in 0 … 1; `ends` [n 2]: of the intervals of y, NaN where unknown.

    `look`: place in `LOOKS`.
    """

    name: str
    points: Float[np.ndarray, "n 2"]
    look: int = 0
    ends: Float[np.ndarray, "n 2"] | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """The horizontal axis: its name, its ends, and its ticks with their labels."""

    label: str
    ends: tuple[float, float]
    ticks: Sequence[float]
    tick_labels: Sequence[str]


def draw_lines(lines: Sequence[Line], scale: Scale, y_label: str) -> Figure:
    """The first line lies on top. Values are shown ×100; the axis begins at 0."""
    with styled():
        figure = blank(*_SIZE_IN)
        axes = figure.add_axes(_AXES)
        # Before anything is drawn, or ticks of the default scale are made as well.
        axes.set(xlim=scale.ends, ylim=(0, 100))
        axes.set_xticks(list(scale.ticks), list(scale.tick_labels))
        axes.set_yticks([0, 25, 50, 75, 100])
        axes.grid(visible=True, color=GREY, alpha=0.25, linewidth=0.5)
        for i, line in reversed([*enumerate(lines)]):
            _draw(axes, line, i)
        axes.tick_params(length=0, pad=3, colors=GREY)
        axes.set_xlabel(scale.label)
        axes.set_ylabel(y_label)
        handles = {h.get_label(): h for h in axes.lines if not str(h.get_label()).startswith("_")}
        figure.legend(
            [handles[line.name] for line in lines],
            [line.name for line in lines],
            loc="upper left",
            bbox_to_anchor=(0.03, 0.99),
            ncols=2 if len(lines) < 3 else 3,
            fontsize=FONT_PT - 0.5,
            handlelength=1.8,
            columnspacing=0.8,
        )
    return figure


def _draw(axes: Axes, line: Line, order: int) -> None:
    look, n = LOOKS[line.look], len(line.points)
    x, y = line.points[:, 0], 100 * line.points[:, 1]
    every = max(n // 5, 1)
    axes.plot(
        x, y, label=line.name, markevery=(order * every // 3, every), zorder=4 - order, **look
    )
    if line.ends is not None:
        axes.vlines(x, *100 * line.ends.T, color=look["color"], linewidth=0.8, zorder=3 - order)
