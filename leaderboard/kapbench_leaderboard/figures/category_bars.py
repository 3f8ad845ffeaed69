"""Scores by category as bars with their 95 % intervals."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.scoring.rules import KapRule, PckRule
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.figures import captions
from kapbench_leaderboard.figures.run_view import RunView, colour_of
from kapbench_leaderboard.figures.style import FONT_PT, HATCHES, LETTER_EM, blank, column_in, points
from kapbench_leaderboard.tables.build import labels
from kapbench_leaderboard.tables.columns import NAME

_BAR_IN, _BETWEEN_IN, _HEAD_IN, _FOOT_IN = 0.11, 0.09, 0.27, 0.36
_GAP_IN = 0.22
MEAN = "mean"


def draw_category_bars(runs: Sequence[RunView], width_in: float | None = None) -> Figure:
    """KAP left and PCK right, a group of bars a category, one bar a run; the average on top."""
    width_in = width_in or column_in()
    rules = [r for r in (runs[0].kap, runs[0].pck) if r is not None]
    categories = (MEAN, *runs[0].card.dataset.categories)
    names = labels([run.card for run in runs])
    data = captions.data_words(runs[0].card.dataset)
    title = captions.title_lines(width_in, f"{names[0]}: {data}" if len(runs) == 1 else data)
    legend_in = captions.legend_in(names, width_in) if len(runs) > 1 else 0.0
    head_in, left_in = captions.title_in(title) + _HEAD_IN, _names_in(categories)
    tall_in = (_BAR_IN * len(runs) + _BETWEEN_IN) * len(categories)
    height_in = tall_in + head_in + _FOOT_IN + legend_in
    figure = blank(width_in, height_in)
    captions.draw_title(figure, title)
    wide_in = (width_in - left_in - 0.1 - _GAP_IN * (len(rules) - 1)) / len(rules)
    for i, rule in enumerate(rules):
        x_in = left_in + i * (wide_in + _GAP_IN)
        bottom = (_FOOT_IN + legend_in) / height_in
        axes = figure.add_axes((x_in / width_in, bottom, wide_in / width_in, tall_in / height_in))
        _panel(axes, runs, rule, categories)
        axes.tick_params(axis="y", length=0, labelleft=i == 0)
    if len(runs) > 1:
        captions.draw_legend(figure, axes.get_legend_handles_labels()[0])
    return figure


def _names_in(categories: Sequence[str]) -> float:
    """Width of the longest name of a category, beside the bars."""
    return 0.12 + max(map(len, categories)) * LETTER_EM * FONT_PT / 72


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
        axes.hlines(at[known], bounds[:, 0], bounds[:, 1], color="black", linewidth=points(0.9))
        for j in np.flatnonzero(np.isnan(value)):
            axes.text(1, at[j], "n/a", va="center")
    axes.set(
        ylim=(len(categories) - 0.5, -0.5),
        xlim=(0, 100),
        xlabel="× 100",
        xticks=[0, 25, 50, 75, 100],
    )
    axes.set_yticks(place, list(categories))
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.grid(visible=True, axis="x")
    axes.set_title(f"{NAME[rule.metric]}@{alpha:.2f}\n{rule.name}", pad=points(3))


def _span(row: Score | None) -> tuple[float, float] | None:
    if row is None or row.low is None or row.high is None:
        return None
    return 100 * row.low, 100 * row.high
