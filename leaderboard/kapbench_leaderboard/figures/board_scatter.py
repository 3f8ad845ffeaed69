"""A board as a chart: KAP over PCK of its models with intervals, between the reference models."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench_leaderboard.figures.place_labels import Label, place_labels
from kapbench_leaderboard.figures.style import BLACK, BLUE, GREY, VERMILION, blank

WIDTH_IN, _HEIGHT_IN = 4.6, 3.6
_FONT_PT = 8.5
KINDS = ("model", "control", "reference")
# Marker, face, edge. Hollow marks show the page through, whose colour is not known here.
_MARKS = {
    "model": ("o", BLUE, BLUE),
    "control": ("o", "none", GREY),
    "reference": ("D", "none", VERMILION),
}
_TEXTS = {"model": BLACK, "control": GREY, "reference": VERMILION}


@dataclass(frozen=True, slots=True)
class Score:
    """×100. `span`: the 95 % interval; None: unknown."""

    value: float
    span: tuple[float, float] | None

    def __str__(self) -> str:
        ends = "" if self.span is None else f" ({self.span[0]:.1f}…{self.span[1]:.1f})"
        return f"{self.value:.1f}{ends}"


@dataclass(frozen=True, slots=True)
class ScatterPoint:
    """A run. `kind`: of `KINDS`; a reference model reads the annotation."""

    name: str
    kind: str
    pck: Score
    kap: Score

    @property
    def title(self) -> str:
        return f"{self.name}: KAP {self.kap}, PCK {self.pck}"


def draw_board_scatter(
    points: Sequence[ScatterPoint], axis_names: tuple[str, str], chance: float | None
) -> tuple[Figure, dict[str, str]]:
    """The figure, and what hovering each mark shows, by its gid.

    Args:
        points: At least one.
        axis_names: Of PCK, horizontal, and of KAP.
        chance: KAP of scores that all tie, ×100; None: unknown.
    """
    figure = blank(WIDTH_IN, _HEIGHT_IN)
    axes = figure.add_axes((0.115, 0.125, 0.87, 0.86))
    lowest = min([p.kap.value for p in points] + ([] if chance is None else [chance]))
    axes.set(xlim=(-3, 104), ylim=(max(lowest - 14, -3), 104))
    axes.set_xlabel(axis_names[0], fontsize=_FONT_PT)
    axes.set_ylabel(axis_names[1], fontsize=_FONT_PT)
    axes.tick_params(labelsize=_FONT_PT, length=2)
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=GREY, alpha=0.22, linewidth=0.5)
    spans: list[tuple[float, float, float, float]] = []
    if chance is not None:
        axes.axhline(chance, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        axes.text(103, chance - 0.8, "chance", ha="right", va="top", color=GREY, fontsize=_FONT_PT)
        spans = [(-3, chance, 104, chance), (88, chance - 6, 104, chance)]
    titles = {f"point{i}": point.title for i, point in enumerate(points)}
    for gid, point in zip(titles, points, strict=True):
        _mark(axes, point, gid)
        spans += _intervals(point)
    models_first = sorted(points, key=lambda p: p.kind != "model")
    labels = [Label(p.name, (p.pck.value, p.kap.value), _TEXTS[p.kind]) for p in models_first]
    place_labels(axes, labels, _FONT_PT, spans)
    return figure, titles


def _intervals(point: ScatterPoint) -> list[tuple[float, float, float, float]]:
    """Ends of the lines of a point's intervals."""
    x, y = point.pck.value, point.kap.value
    across = [] if point.pck.span is None else [(point.pck.span[0], y, point.pck.span[1], y)]
    up = [] if point.kap.span is None else [(x, point.kap.span[0], x, point.kap.span[1])]
    return across + up


def _mark(axes: Axes, point: ScatterPoint, gid: str) -> None:
    x, y = point.pck.value, point.kap.value
    marker, face, edge = _MARKS[point.kind]
    for x0, y0, x1, y1 in _intervals(point):
        axes.plot([x0, x1], [y0, y1], color=edge, linewidth=1, alpha=0.6)
    (drawn,) = axes.plot(
        x,
        y,
        linestyle="",
        marker=marker,
        markersize=5,
        markerfacecolor=face,
        markeredgecolor=edge,
        markeredgewidth=1.3,
        clip_on=False,
        zorder=3,
    )
    drawn.set_gid(gid)
