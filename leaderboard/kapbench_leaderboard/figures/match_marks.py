"""How points, their matches and a similarity map are drawn on an image."""

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from matplotlib.axes import Axes

from kapbench.types import Grid
from kapbench_leaderboard.figures.panel_grid import show
from kapbench_leaderboard.figures.style import FONT_PT, SERIES, Style, mark, outlined

_HEAT_ALPHA = 0.62
_CORNERS = np.array([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
_LABEL_PT = 7.0  # from a point to the middle of its label, along each axis
_HALF_PT = 4.5  # of the height of a label
_ENOUGH_PT = 9.0  # between two labels: what is farther does not disturb
_BEST: Style = {**mark("o", "none", "white", 9), "markeredgewidth": 1.6}
_SECOND: Style = {**mark("D", "none", "white", 5.5), "markeredgewidth": 1.2}
_COLOURS = SERIES[:-1]  # black is hard to see on a photograph


def colour_of_point(number: int) -> str:
    """Of a point that is numbered from 0; colours repeat, numbers do not."""
    return _COLOURS[number % len(_COLOURS)]


def draw_numbered(axes: Axes, points: Float64[np.ndarray, "q 2"], first_number: int = 0) -> None:
    """Points with their numbers, counted from 1, beside them, where they hide the fewest others.

    Points of one place share one label.
    """
    if not len(points):
        return
    shown = np.array([within(axes, (float(x), float(y))) for x, y in points])
    places, group = np.unique(shown, axis=0, return_inverse=True)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    extent_pt = np.array([axes.bbox.width, axes.bbox.height]) / axes.figure.dpi * 72
    at_pt = (places - (left, top)) / (right - left, bottom - top) * extent_pt
    for number, (x, y) in enumerate(shown.tolist(), first_number):
        dot = {**mark("o", colour_of_point(number), "white", 5), "markeredgewidth": 0.8}
        axes.plot(x, y, **dot, clip_on=False, zorder=5)
    for place, corner in enumerate(label_corners(at_pt, extent_pt).tolist()):
        numbers = np.flatnonzero(group.reshape(-1) == place) + first_number + 1
        _label(axes, ", ".join(map(str, numbers)), places[place].tolist(), corner)


def _label(axes: Axes, label: str, place: list[float], corner: list[float]) -> None:
    right, down = corner
    text = axes.annotate(
        label,
        (place[0], place[1]),
        (3.5 * right, -3.5 * down),
        textcoords="offset points",
        ha="left" if right > 0 else "right",
        va="top" if down > 0 else "bottom",
        fontsize=FONT_PT,
        fontweight="bold",
        zorder=4,
    )
    outlined(text)


def label_corners(
    points_pt: Float64[np.ndarray, "q 2"], extent_pt: Float64[np.ndarray, "2"]
) -> Float64[np.ndarray, "q 2"]:
    """Towards which corner (±1 right, ±1 down) each point's label goes.

    It is the one farthest from the other points and from the labels before, of those inside the
    image; the upper right of equally good ones.

    Args:
        points_pt: From the top left of an image of `extent_pt`, in points of typography.
    """
    labels = np.empty((0, 2))
    chosen = []
    for number, point in enumerate(points_pt):
        taken = np.concatenate([np.delete(points_pt, number, axis=0), labels])
        places = point + _LABEL_PT * _CORNERS
        beyond = np.maximum(_HALF_PT - places, places - (extent_pt - _HALF_PT)).max(axis=1)
        room = np.linalg.norm(taken[None] - places[:, None], axis=2).min(axis=1, initial=_ENOUGH_PT)
        best = int(np.where(beyond <= 0, room, -beyond - _ENOUGH_PT).argmax())
        labels = np.concatenate([labels, places[best : best + 1]])
        chosen.append(_CORNERS[best])
    return np.asarray(chosen)


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
