"""How points, their matches and a similarity map are drawn on an image."""

import numpy as np
from jaxtyping import Float32, UInt8
from matplotlib.axes import Axes

from kapbench.types import Grid
from kapbench_leaderboard.figures.panel_grid import show
from kapbench_leaderboard.figures.style import FONT_PT, SERIES, Style, mark, outlined

_HEAT_ALPHA = 0.62
_BEST: Style = {**mark("o", "none", "white", 9), "markeredgewidth": 1.6}
_SECOND: Style = {**mark("D", "none", "white", 5.5), "markeredgewidth": 1.2}
_COLOURS = SERIES[:-1]  # black is hard to see on a photograph


def colour_of_point(number: int) -> str:
    """Of a point that is numbered from 0; colours repeat, numbers do not."""
    return _COLOURS[number % len(_COLOURS)]


def draw_numbered(axes: Axes, xy: tuple[float, float], number: int) -> None:
    """A point with its number, counted from 1, beside it."""
    x, y = within(axes, xy)
    dot = mark("o", colour_of_point(number), "white", 5)
    axes.plot(x, y, **dot, markeredgewidth=0.8, clip_on=False, zorder=4)
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    right, up = x > high - 0.07 * (high - low), y < top + 0.07 * (bottom - top)
    text = axes.annotate(
        str(number + 1),
        (x, y),
        (-4 if right else 4, -4 if up else 4),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top" if up else "bottom",
        fontsize=FONT_PT,
        fontweight="bold",
        zorder=5,
    )
    outlined(text)


def draw_map(
    axes: Axes, target: UInt8[np.ndarray, "h w 3"], values: Float32[np.ndarray, "mh mw"], grid: Grid
) -> None:
    """Similarity, dark where it is lowest and bright where it is highest, over the grey target."""
    luminance = (target @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    show(axes, np.repeat(luminance[..., None], 3, axis=2))
    x0, y0, x1, y1 = grid.box
    low, high = float(values.min()), float(values.max())
    axes.imshow(
        values,
        extent=(x0, x1, y1, y0),
        cmap="viridis",
        alpha=_HEAT_ALPHA,
        vmin=low,
        vmax=high if high > low else low + 1,
        interpolation="nearest",
    )


def draw_peaks(axes: Axes, best: tuple[float, float], second: tuple[float, float] | None) -> None:
    """A ring around the best match, a diamond around the second peak; both show what they mark."""
    for xy, style in ((best, _BEST), (second, _SECOND)):
        if xy is not None:
            (rim,) = axes.plot(*within(axes, xy), **style, clip_on=False, zorder=4)
            outlined(rim, style["markeredgewidth"] + 1.4, "black")


def within(axes: Axes, xy: tuple[float, float]) -> tuple[float, float]:
    """The nearest point of what the axes show: a match may lie in the padding around an image."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return min(max(xy[0], left), right), min(max(xy[1], top), bottom)
