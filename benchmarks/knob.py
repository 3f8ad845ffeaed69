"""KAP and PCK of one model over synthetic's knob: does the metric react to what it is made for?

    python benchmarks/knob.py --model lite0 -o docs/images/knob.png

Prints a Markdown table and draws it.
"""

import argparse
import io
from pathlib import Path

import kapbench
from kapbench.evaluation import default_cache
from kapbench.files import write_atomically

MARKINGS = (0.0, 0.25, 0.5, 0.75, 1.0)
RULES = ("kap-cvpr24", "pck-sd-dino")
LINES = {
    "KAP@0.10": ("kap-cvpr24", "kap", "category", "all", "#d55e00", "o-"),
    "KAP@0.10, absent with twin": (
        "kap-cvpr24", "kap", "category", "absent_with_twin", "#cc79a7", "s--",
    ),
    "PCK@0.10": ("pck-sd-dino", "pck", "point", "all", "#0072b2", "^-"),
}  # fmt: skip


def measure(model: str, runs: Path) -> dict[str, list[float]]:
    """Each line's values ×100 over the knob."""
    found: dict[str, list[float]] = {name: [] for name in LINES}
    for marking in MARKINGS:
        data = kapbench.load_dataset("synthetic", marking=marking)
        result = kapbench.evaluate(model, data, rule=RULES, runs=runs)
        for name, (rule, metric, average, split, *_) in LINES.items():
            row = result.card.score(rule, metric, 0.10, "mean", average=average, split=split)
            assert row is not None
            assert row.value is not None
            found[name].append(100 * row.value)
    return found


def draw(found: dict[str, list[float]], model: str, out: Path) -> None:
    """Change since the mirror-identical object, one line a score."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
    for name, values in found.items():
        *_, colour, style = LINES[name]
        change = [v - values[0] for v in values]
        axes.plot(MARKINGS, change, style, color=colour, label=f"{name} (from {values[0]:.1f})")
    axes.set(xlabel="marking: how far the two sides differ", ylabel="change in points")
    axes.set_title(f"{model} on synthetic", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=200)
    write_atomically(out, content.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--runs", type=Path, default=default_cache() / "knob")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    found = measure(arguments.model, arguments.runs)
    print(f"| marking | {' | '.join(f'{m:.2f}' for m in MARKINGS)} |")
    print("|---" * (len(MARKINGS) + 1) + "|")
    for name, values in found.items():
        print(f"| {name} | {' | '.join(f'{v:.1f}' for v in values)} |")
    if arguments.out:
        draw(found, arguments.model, arguments.out)


if __name__ == "__main__":
    main()
