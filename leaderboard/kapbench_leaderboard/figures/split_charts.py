"""Scores by split: lines over the change of viewpoint, and two dots for keypoints with a counterpart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench_leaderboard.figures.board_scatter import Score
from kapbench_leaderboard.figures.style import (
    BLUE,
    DASHES,
    GREY,
    MARKERS,
    SERIES,
    VERMILION,
    Style,
    blank,
    fitted,
)

_WIDTH_IN, _PLOT_IN, _FONT_PT, _LINE_IN, _NAME_IN = 3.6, 2.5, 8.0, 0.17, 1.25
_APART = 0.06  # between the marks of two models at one place


@dataclass(frozen=True, slots=True)
class Line:
    """A model's scores at places 0, 1, …; None: no score."""

    name: str
    scores: Sequence[Score | None]


def draw_viewpoint(
    lines: Sequence[Line], axis_name: str, names_of_places: Sequence[str]
) -> tuple[Figure, dict[str, str]]:
    """A line a model with intervals, side by side where they would overlap; titles by gid."""
    n_rows = -(-len(lines) // 2)
    height_in = _PLOT_IN + 0.65 + n_rows * _LINE_IN
    figure = blank(_WIDTH_IN, height_in)
    bottom = (0.4 + n_rows * _LINE_IN) / height_in
    axes = figure.add_axes((0.11, bottom, 0.87, _PLOT_IN / height_in))
    titles = {}
    for i, line in enumerate(lines):
        places = [p for p, score in enumerate(line.scores) if score is not None]
        at = np.array(places) + (i - (len(lines) - 1) / 2) * _APART
        scores = [score for score in line.scores if score is not None]
        colour, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
        dash = DASHES[i % len(DASHES)]
        look: Style = {"color": colour, "marker": marker, "markersize": 4, "linestyle": dash}
        (drawn,) = axes.plot(at, [s.value for s in scores], linewidth=1.1, label=line.name, **look)
        drawn.set_gid(f"line{i}")
        pairs = zip(places, scores, strict=True)
        titles[f"line{i}"] = f"{line.name}: " + ", ".join(
            f"{names_of_places[place]} {score}" for place, score in pairs
        )
        for x, score in zip(at, scores, strict=True):
            if score.span is not None:
                axes.plot([x, x], score.span, color=colour, linewidth=0.8, alpha=0.6)
    axes.set_xticks(range(len(names_of_places)), names_of_places)
    axes.set_xlabel("change of viewpoint", fontsize=_FONT_PT)
    _plain(axes, axis_name)
    figure.legend(
        loc="lower left",
        bbox_to_anchor=(0.02, 0),
        ncols=2,
        handlelength=2.6,
        fontsize=_FONT_PT - 0.5,
    )
    return figure, titles


def draw_two_dots(
    lines: Sequence[Line], words: tuple[str, str], chance: float, axis_name: str
) -> tuple[Figure, dict[str, str]]:
    """A row a model: a circle and a diamond with their intervals, joined by a thin line.

    Args:
        words: What the first and the second score of each line are.
        chance: Where a dashed line stands.
    """
    height_in = 0.27 * len(lines) + 0.75
    figure = blank(_WIDTH_IN, height_in)
    left = _NAME_IN / _WIDTH_IN
    axes = figure.add_axes((left, 0.42 / height_in, 0.98 - left, 0.27 * len(lines) / height_in))
    axes.axvline(chance, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    titles = {}
    for row, line in enumerate(lines):
        for place, score in enumerate(line.scores):
            if score is None:
                continue
            y, gid = row + (0.16, -0.16)[1 - place], f"dot{row}.{place}"
            colour, marker = ((BLUE, "o"), (VERMILION, "D"))[place]
            if score.span is not None:
                axes.plot(score.span, [y, y], color=colour, linewidth=1, alpha=0.6)
            (drawn,) = axes.plot(
                score.value, y, marker=marker, color=colour, markersize=4.5, linestyle=""
            )
            drawn.set_gid(gid)
            if row == 0:
                drawn.set_label(words[place])
            titles[gid] = f"{line.name}, {words[place]}: {score}"
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [fitted(line.name, _NAME_IN, 2) for line in lines])
    axes.tick_params(axis="y", length=0)
    _plain(axes, None)
    axes.set_xlabel(axis_name, fontsize=_FONT_PT)
    figure.legend(loc="upper left", ncols=2, fontsize=_FONT_PT, handlelength=1.2)
    return figure, titles


def _plain(axes: Axes, ylabel: str | None) -> None:
    if ylabel is not None:
        axes.set_title(ylabel, loc="left", fontsize=_FONT_PT, x=-0.12)
    axes.tick_params(labelsize=_FONT_PT - 0.5, length=2)
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=GREY, alpha=0.22, linewidth=0.5)
