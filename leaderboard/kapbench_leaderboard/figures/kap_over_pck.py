"""Models by KAP over PCK: where the two disagree about who is better."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kapbench_leaderboard.figures import captions
from kapbench_leaderboard.figures.run_view import RunView, colour_of
from kapbench_leaderboard.figures.style import MARKERS, blank, column_in, points
from kapbench_leaderboard.tables.build import labels

_PLOT_IN, _LEFT_IN, _FOOT_IN = 2.2, 0.5, 0.4


def draw_kap_over_pck(runs: Sequence[RunView], width_in: float | None = None) -> Figure:
    """One mark a run with both 95 % intervals; controls are hollow."""
    names = labels([s.card for s in runs])
    width_in, data = width_in or column_in(), runs[0].card.dataset
    about = f"{captions.data_words(data)}: {data.n_pairs:,} pairs"
    title = captions.title_lines(width_in, about)
    legend_in = captions.legend_in(names, width_in)
    height_in = _PLOT_IN + legend_in + _FOOT_IN + captions.title_in(title)
    figure = blank(width_in, height_in)
    captions.draw_title(figure, title)
    bottom = (legend_in + _FOOT_IN) / height_in
    axes = figure.add_axes(
        (_LEFT_IN / width_in, bottom, 1 - (_LEFT_IN + 0.1) / width_in, _PLOT_IN / height_in)
    )
    handles = [
        mark
        for i, (name, run) in enumerate(zip(names, runs, strict=True))
        if (mark := _mark(axes, i, name, run)) is not None
    ]
    kap, pck = runs[0].kap_rule, runs[0].pck_rule
    axes.set(
        xlabel=f"PCK@{runs[0].at(pck):.2f} × 100, {pck.name}",
        ylabel=f"KAP@{runs[0].at(kap):.2f} × 100, {kap.name}",
    )
    axes.margins(0.08)
    axes.grid(visible=True)
    captions.draw_legend(figure, handles)
    return figure


def _mark(axes: Axes, number: int, name: str, run: RunView) -> Line2D | None:
    """None where one of the two scores is not defined."""
    x, y = (run.card.headline(rule, run.at(rule)) for rule in (run.pck_rule, run.kap_rule))
    if x is None or y is None or x.value is None or y.value is None:
        return None
    colour = colour_of(run, number)
    at = 100 * x.value, 100 * y.value
    if x.low is not None and x.high is not None:
        axes.plot([100 * x.low, 100 * x.high], [at[1]] * 2, color=colour, linewidth=points(0.9))
    if y.low is not None and y.high is not None:
        axes.plot([at[0]] * 2, [100 * y.low, 100 * y.high], color=colour, linewidth=points(0.9))
    (mark,) = axes.plot(
        *at,
        linestyle="",
        marker=MARKERS[number % len(MARKERS)],
        markersize=points(5),
        label=name,
        markerfacecolor="white" if run.is_control else colour,
        markeredgecolor=colour,
    )
    return mark
