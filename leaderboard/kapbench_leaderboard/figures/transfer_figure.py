"""A pair with its keypoints, and where the model transferred them: correct, wrong, or absent."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch

from kapbench.scoring.rules import Decode
from kapbench.scoring.schema import X, Y
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.style import (
    BLUE,
    COLUMN_IN,
    FONT_PT,
    ORANGE,
    VERMILION,
    Style,
    beside,
    blank,
    height_beside,
    mark,
    outlined,
)

_HEAD_IN, _FOOT_IN, _GAP_IN = 0.32, 0.3, 0.04
CORRECT = mark("o", BLUE, "white", 5)
WRONG = mark("X", VERMILION, "white", 6)
TRUTH = mark("o", "white", "black", 5)
ABSENT = mark("D", ORANGE, "black", 4)


def draw_transfer(
    run: RunView,
    rows: pd.DataFrame,
    source: UInt8[np.ndarray, "hs ws 3"],
    target: UInt8[np.ndarray, "ht wt 3"],
    width_in: float = COLUMN_IN,
) -> Figure:
    """Source left, target right; a line from each keypoint to where the model says it is.

    Args:
        rows: The pair's records.
    """
    sizes = [(image.shape[1], image.shape[0]) for image in (source, target)]
    tall_in = height_beside(sizes, width_in, _GAP_IN)
    figure = blank(width_in, tall_in + _HEAD_IN + _FOOT_IN)
    axes = beside(figure, sizes, _FOOT_IN, _GAP_IN)
    show_images(axes, (source, target))
    in_both = rows["target_visible"].to_numpy(bool)
    _heading(figure, run, rows[in_both], tall_in)
    for visible, correct, (_, row) in zip(
        in_both, run.is_correct(rows), rows.iterrows(), strict=True
    ):
        if visible:
            draw_match(axes[0], axes[1], row, run.decode, correct=bool(correct))
        else:
            axes[0].plot(row["source_x"], row["source_y"], **ABSENT)
        number(axes[0], row)
    _legend(figure)
    return figure


def show_images(axes: Sequence[Axes], images: Sequence[UInt8[np.ndarray, "h w 3"]]) -> None:
    for each, image in zip(axes, images, strict=True):
        each.imshow(image, extent=(0, image.shape[1], image.shape[0], 0), interpolation="bilinear")
        each.set_autoscale_on(False)


def draw_match(
    source: Axes, target: Axes, row: "pd.Series[Any]", decode: Decode, *, correct: bool
) -> None:
    """A line from a keypoint to its match, and from a wrong one to the annotated point, if any."""
    start = float(row["source_x"]), float(row["source_y"])
    end = float(row[X.of(decode)]), float(row[Y.of(decode)])
    line = ConnectionPatch(
        start,
        end,
        "data",
        "data",
        axesA=source,
        axesB=target,
        color=BLUE if correct else VERMILION,
        linestyle="-" if correct else (0, (3, 2)),
        linewidth=0.8,
        alpha=0.85,
    )
    source.figure.add_artist(line)
    source.plot(*start, **(CORRECT if correct else WRONG), zorder=3)
    if not correct and row["target_visible"]:
        truth = float(row["target_x"]), float(row["target_y"])
        (miss,) = target.plot(*zip(end, truth, strict=True), color="white", linewidth=0.8)
        outlined(miss, 1.8, "black")
        target.plot(*truth, **TRUTH)
    target.plot(*end, **(CORRECT if correct else WRONG), zorder=5)


def number(axes: Axes, row: "pd.Series[Any]") -> None:
    place = float(row["source_x"]), float(row["source_y"])
    text = axes.annotate(
        str(int(row["keypoint"])), place, (3, 3), textcoords="offset points", fontsize=FONT_PT
    )
    outlined(text)


def _heading(figure: Figure, run: RunView, visible: pd.DataFrame, tall_in: float) -> None:
    n_correct = int(run.is_correct(visible).sum())
    rule = run.pck_rule
    height_in = figure.get_size_inches()[1]
    lines = [
        f"{run.card.model.name}: {n_correct} of {len(visible)} correct at α = {run.at(rule):g}",
        str(visible["pair_id"].iloc[0])
        if len(visible)
        else "no keypoint is visible in both images",
    ]
    figure.text(
        0, (tall_in + _FOOT_IN + 0.03) / height_in, "\n".join(lines), fontsize=FONT_PT, va="bottom"
    )


def _legend(figure: Figure) -> None:
    line: Style = {"linewidth": 0.8}
    handles = [
        Line2D([], [], color=BLUE, **CORRECT, **line, label="correct"),
        Line2D([], [], color=VERMILION, **WRONG, **line, linestyle="--", label="wrong"),
        Line2D([], [], linestyle="", **TRUTH, label="annotated"),
        Line2D([], [], linestyle="", **ABSENT, label="absent"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=4, handlelength=1.8, columnspacing=1.2)
