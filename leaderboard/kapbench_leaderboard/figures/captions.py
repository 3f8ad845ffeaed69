"""The title above a figure and the legend below it, in as many lines as its width needs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.container import Container
from matplotlib.figure import Figure

from kapbench.running.results import DatasetCard
from kapbench.scoring.rules import KapRule, PckRule
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.presentation import current
from kapbench_leaderboard.tables.columns import NAME
from kapbench_leaderboard.tables.dataset_names import display_name_of

_HANDLE_IN = 0.38  # the mark before a label, and the gap after it


def data_words(data: DatasetCard, category: str | None = None) -> str:
    """The data set, its split, and what of it: SPair-71k, test, cat."""
    words = [display_name_of(data), data.split]
    n, n_expected = len(data.categories), len(data.categories_expected)
    if category is not None:
        words.append(category)
    elif n < n_expected:
        words.append(f"{n} of {n_expected} categories")
    return ", ".join(words)


def rule_words(rule: KapRule | PckRule, alpha: float) -> str:
    """The metric with its threshold, and the rule: KAP@0.10 by kap-cvpr24."""
    return f"{NAME[rule.metric]}@{alpha:.2f} by {rule.name}"


def title_lines(width_in: float, *parts: str) -> list[str]:
    """Each part from a new line on, wrapped; no line where titles are left out."""
    return (
        [line for part in parts for line in style.wrapped(part, width_in)]
        if current().titled
        else []
    )


def title_in(lines: Sequence[str]) -> float:
    """Height that the title takes."""
    return len(lines) * style.LINE_IN + (0.07 if lines else 0.03)


def draw_title(figure: Figure, lines: Sequence[str]) -> None:
    """At the figure's upper edge."""
    if lines:
        top = 1 - 0.02 / style.size_of(figure)[1]
        size_pt = style.points(style.TITLE_PT)
        figure.text(0, top, "\n".join(lines), va="top", fontsize=size_pt, linespacing=1.25)


def legend_columns(labels: Sequence[str], width_in: float) -> int:
    """As many as fit, each as wide as its longest label; they are filled one after the other."""
    for n in range(len(labels), 1, -1):
        columns = np.array_split([len(label) for label in labels], n)
        n_letters = sum(int(column.max()) for column in columns)
        if n * _HANDLE_IN + n_letters * style.LETTER_EM * style.FONT_PT / 72 <= width_in:
            return n
    return 1


def legend_in(labels: Sequence[str], width_in: float) -> float:
    """Height of the legend that `draw_legend` makes."""
    return -(-len(labels) // legend_columns(labels, width_in)) * style.LINE_IN + 0.05 * bool(labels)


def draw_legend(
    figure: Figure,
    handles: Sequence[Artist | Container],
    bottom_in: float = 0.02,
    left_in: float = 0.0,
) -> None:
    """At the lower edge, in as many columns as fit."""
    width_in, height_in = style.size_of(figure)
    columns = legend_columns([str(handle.get_label()) for handle in handles], width_in - left_in)
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(left_in / width_in, bottom_in / height_in),
        ncols=columns,
        handlelength=2.0,
        columnspacing=1.0,
    )
