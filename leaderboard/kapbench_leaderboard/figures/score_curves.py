"""Precision over recall, and PCK over alpha, of one run or several."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.scoring.metrics import kap_samples
from kapbench_leaderboard.comparison.curves import pck_curve, precision_curve
from kapbench_leaderboard.figures.run_view import RunView, colour_of
from kapbench_leaderboard.figures.style import COLUMN_IN, DASHES, MARKERS, blank
from kapbench_leaderboard.tables.build import labels

_PLOT_IN, _LINE_IN, _LEFT_IN, _HEAD_IN, _FOOT_IN = 1.75, 0.14, 0.46, 0.22, 0.42
_MARK_EVERY = 0.2  # of the axis' length
Points = Callable[[RunView], Float[np.ndarray, "n 2"]]


def draw_precision_curves(runs: Sequence[RunView], width_in: float = COLUMN_IN) -> Figure:
    """All samples of KAP ranked by score; a dotted line is the share of positives."""
    rule = runs[0].kap_rule
    alpha = runs[0].at(rule)

    def points(run: RunView) -> Float[np.ndarray, "n 2"]:
        return precision_curve(run.records, run.kap_rule, alpha).points

    figure, axes = _axes(width_in, len(runs) + 1)
    _lines(axes, runs, points)
    _share_of_positives(axes, runs[0])
    _legend(figure)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
    _heading(axes, f"{rule.name} at α = {alpha:g}, {_what(runs[0])}")
    return figure


def draw_pck_curves(runs: Sequence[RunView], width_in: float = COLUMN_IN) -> Figure:
    """Share of keypoints within α·T, per point, mean over categories."""
    rule = runs[0].pck_rule

    def points(run: RunView) -> Float[np.ndarray, "n 2"]:
        return pck_curve(run.records, run.pck_rule, run.card).points

    figure, axes = _axes(width_in, len(runs))
    _lines(axes, runs, points)
    _legend(figure)
    axes.set(xlim=(0, 0.2), ylim=(0, 1), xlabel="α", ylabel="PCK, per point")
    axes.set_xticks([0, 0.05, 0.1, 0.15, 0.2])
    _heading(axes, f"{rule.name}, {_what(runs[0], 'mean over categories')}")
    return figure


def _axes(width_in: float, n_series: int) -> tuple[Figure, Axes]:
    """A plot with room for a legend of two columns below."""
    legend_in = (n_series + 1) // 2 * _LINE_IN
    height_in = _PLOT_IN + legend_in + _HEAD_IN + _FOOT_IN
    figure = blank(width_in, height_in)
    left, bottom = _LEFT_IN / width_in, (legend_in + _FOOT_IN) / height_in
    axes = figure.add_axes((left, bottom, 0.96 - left, _PLOT_IN / height_in))
    axes.set_axisbelow(True)
    axes.grid(visible=True, color="#d8dee4", linewidth=0.5)
    return figure, axes


def _lines(axes: Axes, runs: Sequence[RunView], points: Points) -> None:
    names = labels([s.card for s in runs])
    for i, (name, run) in enumerate(zip(names, runs, strict=True)):
        xy = points(run)
        axes.plot(
            xy[:, 0],
            xy[:, 1],
            label=name,
            clip_on=False,
            color=colour_of(run, i),
            linestyle=DASHES[i % len(DASHES)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=3.5,
            markevery=(0.02 * i, _MARK_EVERY) if len(xy) else None,
        )


def _share_of_positives(axes: Axes, run: RunView) -> None:
    rule = run.kap_rule
    label = kap_samples(run.records, rule, run.at(rule)).label
    if len(label):
        axes.axhline(
            float(label.mean()),
            color="black",
            linewidth=0.7,
            linestyle=":",
            label="share of positives",
        )


def _legend(figure: Figure) -> None:
    left = _LEFT_IN / figure.get_size_inches()[0]
    figure.legend(loc="lower left", bbox_to_anchor=(left, 0), ncols=2, handlelength=3.2)


def _heading(axes: Axes, words: str) -> None:
    axes.set_title(words, loc="left", pad=5)


def _what(run: RunView, pooled: str = "all categories pooled") -> str:
    return run.category or pooled
