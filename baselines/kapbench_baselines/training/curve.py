"""The losses and the validation scores of a training, as a picture."""

import io
from collections.abc import Sequence
from pathlib import Path

from kapbench.files import write_atomically


def draw_curve(history: Sequence[dict[str, float]], names: Sequence[str], path: Path) -> None:
    """A PNG: losses over steps, and beside them what was found on the val split."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = [line["step"] for line in history]
    for name in names:
        left.plot(steps, [line[name] for line in history], label=name.replace("_", " "))
    left.set(xlabel="step", ylabel="loss, mean since the last point", ylim=(0, None))
    left.legend(frameon=False)
    for name in ("kap", "pck"):
        found = [(line["step"], 100 * line[name]) for line in history if name in line]
        if found:
            right.plot(*zip(*found, strict=True), marker=".", label=f"{name.upper()}@0.10")
    right.set(xlabel="step", ylabel="val split, %")
    if right.lines:
        right.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())
