"""The losses and the validation scores of a training, as a figure."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kapbench.storage import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = Sequence[Mapping[str, float]]
SCORES = {"kap": "KAP@0.10", "pck": "PCK@0.10"}
# One colour and one mark for each line, which differ for colour-blind readers and in grey.
_LOOKS = (
    ("#0072B2", "o"),
    ("#E69F00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#56B4E9", "v"),
    ("#D55E00", "P"),
    ("#000000", "X"),
)
_FEW = 30  # points of a line that are marked one by one


def draw_curve(history: History, names: Sequence[str], path: Path) -> None:
    """A PNG: losses over steps, and beside them the scores on the val split."""
    figure = draw_history(history, names)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_atomically(path, content.getvalue())


def draw_history(history: History, names: Sequence[str]) -> "Figure":
    """Losses on the left, scores on the right, both from step 0 on.

    A line of step 0 is the frozen backbone's: it has scores and no losses. Its scores are hollow
    marks at step 0 with a dashed level, not joined to those of the trained model, which is another.

    Args:
        history: By step; a line has losses, and scores where the model was validated.
        names: Of losses.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    trained = [line for line in history if line["step"]]
    frozen = [line for line in history if not line["step"]]
    for i, name in enumerate(names):
        _line(left, i, [(line["step"], line[name]) for line in trained], name.replace("_", " "))
    for i, (name, label) in enumerate(SCORES.items()):
        points = [(line["step"], 100 * line[name]) for line in trained if name in line]
        if points:
            _line(right, i, points, label)
        for line in frozen:
            if name in line:
                _level(right, i, 100 * line[name], f"{label}, frozen backbone")
    last = max((line["step"] for line in history), default=0) or 1
    left.set(xlabel="step", ylabel="loss, mean since the last point", ylim=(0, None))
    right.set(xlabel="step", ylabel="score on the val split × 100")
    for axes in (left, right):
        axes.set_xlim(-0.02 * last, 1.02 * last)
        axes.margins(y=0.1)
        if axes.lines:
            axes.legend(framealpha=0.8, edgecolor="none")
    return figure


def _line(axes: "Axes", i: int, points: Sequence[tuple[float, float]], label: str) -> None:
    colour, marker = _LOOKS[i % len(_LOOKS)]
    every = max(len(points) // _FEW, 1)
    axes.plot(
        *zip(*points, strict=True),
        color=colour,
        marker=marker,
        markersize=4,
        markevery=every,
        label=label,
    )


def _level(axes: "Axes", i: int, score: float, label: str) -> None:
    """A score at step 0, and its level over all steps."""
    colour, marker = _LOOKS[i % len(_LOOKS)]
    axes.axhline(score, color=colour, linestyle="--", linewidth=1)
    axes.plot(
        [0],
        [score],
        color=colour,
        linestyle="--",
        linewidth=1,
        marker=marker,
        label=label,
        clip_on=False,
        markerfacecolor="white",
        markeredgecolor=colour,
        markersize=6,
    )
