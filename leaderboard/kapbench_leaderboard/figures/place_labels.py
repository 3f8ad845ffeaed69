"""Names beside marks, placed so that they cover neither marks nor each other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

from kapbench_leaderboard.figures.style import GREY

_MARK_PT = 5.5  # from a mark's centre to a name beside it
_HALF_PT = 3.2  # of a mark
_GAP_PT = 2.5  # between two names
_ORDER_COST = 0.2  # square points that each later place must leave free more
_CLEAR_PT, _NEAR_COST = 9.0, 25.0  # a name that is closer to another mark seems to be that mark's
_CROSSED_COST = 60.0  # of a line that runs through another mark
_FAR = (1.0, 2.4, 4.2, 6.2, 8.5)  # times that distance; names further than the first get a line
# Horizontal and vertical direction of a name from its mark, the preferred first.
_SIDES = ((1, 0), (-1, 0), (1, -1), (-1, 1), (1, 1), (-1, -1), (0, -1), (0, 1))
_ACROSS = {1: "left", -1: "right", 0: "center"}
_UP = {1: "bottom", -1: "top", 0: "center"}


@dataclass(frozen=True, slots=True)
class Label:
    """A name for the mark at `xy`, in data coordinates."""

    name: str
    xy: tuple[float, float]
    colour: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a name may stand. `box`: left, lower, right, upper edge in points from the corner."""

    side: tuple[int, int]
    away_pt: tuple[float, float]
    box: Float[np.ndarray, "4"]
    with_line: bool


def place_labels(
    axes: Axes,
    labels: Sequence[Label],
    font_pt: float,
    spans: Iterable[tuple[float, float, float, float]] = (),
) -> None:
    """Draws each label where it covers least of the marks, the spans, and the labels before it.

    Args:
        spans: More that labels should leave free: x0, y0, x1, y1 in data coordinates.
    """
    points = [_points(axes, label.xy) for label in labels]
    taken = [np.array([x - _HALF_PT, y - _HALF_PT, x + _HALF_PT, y + _HALF_PT]) for x, y in points]
    for x0, y0, x1, y1 in spans:
        ends = np.array([_points(axes, (x0, y0)), _points(axes, (x1, y1))])
        taken.append(np.concatenate([ends.min(axis=0) - 0.5, ends.max(axis=0) + 0.5]))
    frame = np.array([*_points(axes, (axes.get_xlim()[0], axes.get_ylim()[0]))])
    frame = np.concatenate([frame, _points(axes, (axes.get_xlim()[1], axes.get_ylim()[1]))])
    renderer = FigureCanvasAgg(axes.figure.figure).get_renderer()  # type: ignore[no-untyped-call]
    for i, (label, point) in enumerate(zip(labels, points, strict=True)):
        size = _size(axes, label.name, font_pt, renderer)
        places = list(_places(point, size))
        costs = _covered(np.array([place.box for place in places]), frame, np.array(taken))
        if others := [other for j, other in enumerate(points) if j != i]:
            costs += _ambiguous(point, places, np.array(others))
        best = places[int(np.argmin(costs.round(1) + _ORDER_COST * np.arange(len(places))))]
        _draw(axes, label, best, font_pt)
        taken.append(best.box + _GAP_PT * np.array([-1, -1, 1, 1]))


def _points(axes: Axes, xy: tuple[float, float]) -> Float[np.ndarray, "2"]:
    return np.asarray(axes.transData.transform(xy)) * 72 / axes.figure.dpi


def _size(axes: Axes, name: str, font_pt: float, renderer: RendererAgg) -> tuple[float, float]:
    """Width and height of a name in points."""
    text = axes.text(0, 0, name, fontsize=font_pt)
    box = text.get_window_extent(renderer)
    text.remove()
    return box.width * 72 / axes.figure.dpi, box.height * 72 / axes.figure.dpi


def _places(point: Float[np.ndarray, "2"], size: tuple[float, float]) -> Iterator[_Place]:
    wide, tall = size
    for far, (across, up) in product(_FAR, _SIDES):
        away = _MARK_PT * far * (0.7 if across and up else 1.0)
        x, y = point[0] + away * across, point[1] + away * up
        left = x - {1: 0.0, 0: wide / 2, -1: wide}[across]
        low = y - {1: 0.0, 0: tall / 2, -1: tall}[up]
        box = np.array([left, low, left + wide, low + tall])
        yield _Place((across, up), (away * across, away * up), box, far > 1)


def _covered(
    boxes: Float[np.ndarray, "p 4"], frame: Float[np.ndarray, "4"], taken: Float[np.ndarray, "n 4"]
) -> Float[np.ndarray, "p"]:
    """Square points of each box that lie outside of the frame or over other boxes."""
    own = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    outside = own - _shared(boxes, frame[None]).sum(axis=1)
    return np.asarray(outside + _shared(boxes, taken).sum(axis=1))


def _ambiguous(
    point: Float[np.ndarray, "2"], places: Sequence[_Place], others: Float[np.ndarray, "m 2"]
) -> Float[np.ndarray, "p"]:
    """Cost of each place near other marks, or with a line through them."""
    boxes = np.array([place.box for place in places])
    beyond = np.maximum(boxes[:, None, :2] - others, others - boxes[:, None, 2:])  # [p m 2]
    apart = np.linalg.norm(np.maximum(beyond, 0), axis=2)
    near = _NEAR_COST * (1 - apart / _CLEAR_PT).clip(0).sum(axis=1)
    lines = np.array([place.away_pt for place in places])[:, None]  # [p 1 2]
    along = ((others - point) * lines).sum(axis=2) / (lines**2).sum(axis=2)
    from_line = np.linalg.norm(others - point - along.clip(0, 1)[..., None] * lines, axis=2)
    crossed = (from_line < _HALF_PT) & (along > 0)
    has_line = np.array([place.with_line for place in places])
    return np.asarray(near + _CROSSED_COST * has_line * crossed.sum(axis=1))


def _shared(
    boxes: Float[np.ndarray, "p 4"], others: Float[np.ndarray, "n 4"]
) -> Float[np.ndarray, "p n"]:
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0).prod(axis=2))


def _draw(axes: Axes, label: Label, place: _Place, font_pt: float) -> None:
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
    axes.annotate(
        label.name,
        label.xy,
        xytext=place.away_pt,
        textcoords="offset points",
        ha=_ACROSS[place.side[0]],
        va=_UP[place.side[1]],
        color=label.colour,
        fontsize=font_pt,
        arrowprops=line if place.with_line else None,
    )
