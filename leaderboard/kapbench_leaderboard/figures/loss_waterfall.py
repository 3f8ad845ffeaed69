"""From one run's KAP to another's, one step a type of error."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench_leaderboard.comparison.significance import SIGNIFICANT
from kapbench_leaderboard.figures.captions import draw_title, title_in, title_lines
from kapbench_leaderboard.figures.loss_styles import shown_name
from kapbench_leaderboard.figures.loss_values import LossChange, LossStep
from kapbench_leaderboard.figures.style import (
    BLUE,
    GREY,
    LINE_IN,
    VERMILION,
    blank,
    canvas,
    column_in,
    fitted,
    points,
    wrapped,
)

_ROW_IN, _BAR_IN = 0.27, 0.15
_LEFT_IN, _RIGHT_IN, _AXIS_IN = 1.08, 0.42, 0.4
_PALE = 0.3
_NAME_IN = 1.0  # less than the margin: names of runs are bold
KEY = f"Whiskers: 95 % intervals. Pale: not significant (p ≥ {SIGNIFICANT:g})."


def draw_loss_waterfall(
    change: LossChange, subject: str, width_in: float | None = None, notes: Sequence[str] = ()
) -> Figure:
    """Steps by size, the largest first, with the 95 % intervals of the paired differences; a step
    that is not significant is pale.

    Args:
        subject, notes: As of `draw_loss_bars`.
    """
    width_in = width_in or column_in()
    whole = _signed(100 * (change.kap_after - change.kap_before))
    about = f"From {change.before} to {change.after}: {whole}"
    title = title_lines(width_in, subject, about)
    better = f"To the right: {change.after} loses less."
    why = change.no_interval
    key = KEY if why is None else f"Pale: not tested, since {why}."
    lines = [line for note in (better, key, *notes) for line in wrapped(note, width_in)]
    foot_in, tall_in = len(lines) * LINE_IN + 0.02, (len(change.steps) + 2) * _ROW_IN
    height_in = title_in(title) + tall_in + _AXIS_IN + foot_in
    figure = blank(width_in, height_in)
    page = canvas(figure)
    draw_title(figure, title)
    page.text(0, 0.02, "\n".join(lines), va="bottom", color=GREY)
    wide_in = width_in - _LEFT_IN - _RIGHT_IN
    axes = figure.add_axes(
        (
            _LEFT_IN / width_in,
            (foot_in + _AXIS_IN) / height_in,
            wide_in / width_in,
            tall_in / height_in,
        )
    )
    _draw(axes, change)
    return figure


def by_size(steps: Sequence[LossStep]) -> list[LossStep]:
    """The largest first, whether it adds or takes; steps that are not known last."""
    return sorted(steps, key=lambda s: (math.isnan(s.change.value), -abs(s.change.value)))


def _draw(axes: Axes, change: LossChange) -> None:
    steps = by_size(change.steps)
    level = 100 * change.kap_before
    _end(axes, 0, change.before, level)
    for row, step in enumerate(steps, 1):
        _connect(axes, level, row - 1)
        _step(axes, row, step, level)
        level += 100 * step.change.value
    _connect(axes, level, len(steps))
    _end(axes, len(steps) + 1, change.after, 100 * change.kap_after)
    axes.set(ylim=(len(steps) + 1.5, -0.5), yticks=[], xlabel="KAP × 100")
    axes.use_sticky_edges = False
    axes.margins(x=0.06)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")


def _end(axes: Axes, row: int, name: str, level: float) -> None:
    """A run's own KAP."""
    axes.plot(level, row, "o", color="black", markersize=points(4.5), zorder=4)
    _beside(axes, row, fitted(name, _NAME_IN, 2), "n/a" if math.isnan(level) else f"{level:.1f}")
    for text in axes.texts[-2:]:
        text.set_fontweight("bold")


def _step(axes: Axes, row: int, step: LossStep, level: float) -> None:
    change = 100 * step.change.value
    colour = BLUE if change >= 0 else VERMILION
    alpha = 1.0 if step.p < SIGNIFICANT else _PALE
    axes.barh(
        row,
        change,
        _BAR_IN / _ROW_IN,
        level,
        facecolor=colour,
        alpha=alpha,
        hatch="" if change >= 0 else "////",
        edgecolor="white",
        linewidth=0,
    )
    ends = np.array([step.change.low, step.change.high]) * 100 + level
    if step.change.error > 0:
        axes.plot(
            ends,
            [row, row],
            color="black",
            marker="|",
            markersize=points(4),
            linewidth=points(0.8),
            zorder=3,
        )
    name = shown_name(step.type)
    if len(wrapped(name, _LEFT_IN)) > 1:
        name = name.replace(", ", ",\n")
    _beside(axes, row, name, "n/a" if math.isnan(change) else _signed(change))


def _connect(axes: Axes, level: float, row: int) -> None:
    half = _BAR_IN / _ROW_IN / 2
    axes.plot(
        [level, level], [row + half, row + 1 - half], color=GREY, linewidth=points(0.6), zorder=0
    )


def _beside(axes: Axes, row: int, name: str, value: str) -> None:
    """Names left of the plot, values at the figure's right edge."""
    box, across = axes.get_position(), axes.get_yaxis_transform()
    va = "center" if "\n" in name else "center_baseline"
    axes.annotate(
        name,
        (0, row),
        (points(-6), 0),
        xycoords=across,
        textcoords="offset points",
        ha="right",
        va=va,
        linespacing=1.0,
    )
    right = (1 - box.x0) / box.width
    axes.text(right, row, value, transform=across, ha="right", va="center_baseline")


def _signed(points: float) -> str:
    """With a sign, except where it is 0.0."""
    text = f"{points:+.1f}".replace("-", "−")
    return text if text[1:] != "0.0" else "0.0"
