"""Precision over recall, and PCK over alpha, of one run or several."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.scoring.metrics import kap_samples
from kapbench_leaderboard.comparison.curves import pck_curve, precision_curve
from kapbench_leaderboard.figures import captions
from kapbench_leaderboard.figures.run_view import RunView, colour_of
from kapbench_leaderboard.figures.style import DASHES, MARKERS, blank, column_in, points
from kapbench_leaderboard.tables.build import labels

_PLOT_IN, _LEFT_IN, _FOOT_IN = 1.75, 0.46, 0.4
_MARK_EVERY = 0.2  # of the axis' length
_CHANCE = "share of positives"
PointsOf = Callable[[RunView], Float[np.ndarray, "n 2"]]


def draw_precision_curves(runs: Sequence[RunView], width_in: float | None = None) -> Figure:
    """All samples of KAP ranked by score; a dotted line is the share of positives."""
    rule = runs[0].kap_rule
    alpha = runs[0].at(rule)

    def curve(run: RunView) -> Float[np.ndarray, "n 2"]:
        return precision_curve(run.records, run.kap_rule, alpha).points

    samples = f"Samples of {captions.rule_words(rule, alpha)}"
    figure, axes = _axes(runs, samples, width_in, "all categories pooled", [_CHANCE])
    _lines(axes, runs, curve)
    _share_of_positives(axes, runs[0])
    _legend(figure, axes)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
    return figure


def draw_pck_curves(runs: Sequence[RunView], width_in: float | None = None) -> Figure:
    """Share of keypoints within α·T, per point, mean over categories."""
    rule = runs[0].pck_rule

    def curve(run: RunView) -> Float[np.ndarray, "n 2"]:
        return pck_curve(run.records, run.pck_rule, run.card).points

    figure, axes = _axes(runs, f"PCK by {rule.name}", width_in, "mean over categories")
    _lines(axes, runs, curve)
    _legend(figure, axes)
    axes.set(xlim=(0, 0.2), ylim=(0, 1), xlabel="α", ylabel="PCK, per point")
    axes.set_xticks([0, 0.05, 0.1, 0.15, 0.2])
    return figure


def _axes(
    runs: Sequence[RunView],
    what: str,
    width_in: float | None,
    pooled: str,
    more_labels: Sequence[str] = (),
) -> tuple[Figure, Axes]:
    """A plot below its title, with room for a legend below."""
    width_in = width_in or column_in()
    run = runs[0]
    data = captions.data_words(run.card.dataset, run.category)
    one = f"{labels([run.card])[0]}: " if len(runs) == 1 else ""
    about = what if run.category else f"{what}, {pooled}"
    title = captions.title_lines(width_in, f"{one}{data}", about)
    names = [*labels([run.card for run in runs]), *more_labels]
    legend_in, head_in = captions.legend_in(names, width_in - _LEFT_IN), captions.title_in(title)
    height_in = _PLOT_IN + legend_in + head_in + _FOOT_IN
    figure = blank(width_in, height_in)
    captions.draw_title(figure, title)
    left, bottom = _LEFT_IN / width_in, (legend_in + _FOOT_IN) / height_in
    axes = figure.add_axes((left, bottom, 0.96 - left, _PLOT_IN / height_in))
    axes.grid(visible=True)
    return figure, axes


def _lines(axes: Axes, runs: Sequence[RunView], curve: PointsOf) -> None:
    names = labels([s.card for s in runs])
    for i, (name, run) in enumerate(zip(names, runs, strict=True)):
        xy = curve(run)
        axes.plot(
            xy[:, 0],
            xy[:, 1],
            label=name,
            clip_on=False,
            color=colour_of(run, i),
            linestyle=DASHES[i % len(DASHES)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=points(3.5),
            markevery=(0.02 * i, _MARK_EVERY) if len(xy) else None,
        )


def _share_of_positives(axes: Axes, run: RunView) -> None:
    rule = run.kap_rule
    label = kap_samples(run.records, rule, run.at(rule)).label
    if len(label):
        share, thin = float(label.mean()), points(0.7)
        axes.axhline(share, color="black", linewidth=thin, linestyle=":", label=_CHANCE)


def _legend(figure: Figure, axes: Axes) -> None:
    captions.draw_legend(figure, axes.get_legend_handles_labels()[0], left_in=_LEFT_IN)
