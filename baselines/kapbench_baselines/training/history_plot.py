"""The losses and the validation scores of a training, as a picture."""

import io
from collections.abc import Sequence
from pathlib import Path

from kapbench.storage import write_atomically


def draw_curve(history: Sequence[dict[str, float]], names: Sequence[str], path: Path) -> None:
    """A PNG: losses over steps, and beside them what was found on the val split.

    A line of step 0 is the frozen backbone's and has no losses.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    trained = [line for line in history if line["step"]]
    for name in names:
        points = [(line["step"], line[name]) for line in trained]
        left.plot(*zip(*points, strict=True), label=name.replace("_", " "))
    left.set(xlabel="step", ylabel="loss, mean since the last point", ylim=(0, None))
    left.legend(frameon=False)
    frozen = {} if history[0]["step"] else history[0]
    for name in ("kap", "pck"):
        points = [(line["step"], 100 * line[name]) for line in trained if name in line]
        if not points:
            continue
        label = f"{name.upper()}@0.10"
        [drawn] = right.plot(*zip(*points, strict=True), marker=".", label=label)
        if name in frozen:
            right.axhline(
                100 * frozen[name],
                color=drawn.get_color(),
                linestyle="--",
                label=f"{label}, frozen backbone",
            )
    right.set(xlabel="step", ylabel="val split, %")
    if right.lines:
        right.legend(framealpha=0.8, edgecolor="none")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())
