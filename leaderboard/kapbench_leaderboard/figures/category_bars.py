"""Scores by category as bars with their 95 % intervals."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.scoring.rules import KapRule, PckRule
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.figures.run_view import RunView, colour_of
from kapbench_leaderboard.figures.style import COLUMN_IN, FONT_PT, HATCHES, blank
from kapbench_leaderboard.tables.build import labels
from kapbench_leaderboard.tables.columns import NAME

_LEFT_IN, _BAR_IN, _BETWEEN_IN, _HEAD_IN, _FOOT_IN, _LINE_IN = 0.62, 0.11, 0.09, 0.2, 0.36, 0.14
_GAP_IN = 0.22
MEAN = "mean"


def draw_category_bars(runs: Sequence[RunView], width_in: float = COLUMN_IN) -> Figure:
    """KAP left and PCK right, a group of bars a category, one bar a run; the average on top."""
    rules = [r for r in (runs[0].kap, runs[0].pck) if r is not None]
    categories = (MEAN, *runs[0].card.dataset.categories)
    group_in = _BAR_IN * len(runs) + _BETWEEN_IN
    tall_in = group_in * len(categories)
    n_lines = (len(runs) + 1) // 2 if len(runs) > 1 else 0
    height_in = tall_in + _HEAD_IN + _FOOT_IN + n_lines * _LINE_IN
    figure = blank(width_in, height_in)
    wide_in = (width_in - _LEFT_IN - 0.1 - _GAP_IN * (len(rules) - 1)) / len(rules)
    for i, rule in enumerate(rules):
        left_in = _LEFT_IN + i * (wide_in + _GAP_IN)
        bottom = (_FOOT_IN + n_lines * _LINE_IN) / height_in
        axes = figure.add_axes(
            (left_in / width_in, bottom, wide_in / width_in, tall_in / height_in)
        )
        _panel(axes, runs, rule, categories)
        axes.tick_params(axis="y", length=0, labelleft=i == 0)
    if len(runs) > 1:
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="lower left", ncols=2, handlelength=1.6)
    return figure


def _panel(
    axes: Axes, runs: Sequence[RunView], rule: KapRule | PckRule, categories: Sequence[str]
) -> None:
    alpha = runs[0].at(rule)
    names = labels([s.card for s in runs])
    place = np.arange(len(categories), dtype=np.float64)
    thick = _BAR_IN / (_BAR_IN * len(runs) + _BETWEEN_IN)
    for i, (name, run) in enumerate(zip(names, runs, strict=True)):
        rows = [run.card.headline(rule, alpha, None if c == MEAN else c) for c in categories]
        value = np.array([100 * r.value if r and r.value is not None else np.nan for r in rows])
        spans = [_span(r) for r in rows]
        at = place + (i - (len(runs) - 1) / 2) * thick
        axes.barh(
            at,
            np.nan_to_num(value),
            thick * 0.92,
            color=colour_of(run, i),
            label=name,
            hatch=HATCHES[i % len(HATCHES)],
            edgecolor="white",
            linewidth=0,
        )
        known = [j for j, span in enumerate(spans) if span is not None]
        bounds = np.array([s for s in spans if s is not None]).reshape(-1, 2)
        axes.hlines(at[known], bounds[:, 0], bounds[:, 1], color="black", linewidth=0.9)
        for j in np.flatnonzero(np.isnan(value)):
            axes.text(1, at[j], "n/a", va="center", fontsize=FONT_PT)
    axes.set(
        ylim=(len(categories) - 0.5, -0.5),
        xlim=(0, 100),
        xlabel="× 100",
        xticks=[0, 25, 50, 75, 100],
    )
    axes.set_yticks(place, list(categories))
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="x", color="#d8dee4", linewidth=0.5)
    axes.set_title(f"{NAME[rule.metric]}@{alpha:.2f}  {rule.name}", loc="left", pad=3)


def _span(row: Score | None) -> tuple[float, float] | None:
    if row is None or row.low is None or row.high is None:
        return None
    return 100 * row.low, 100 * row.high
