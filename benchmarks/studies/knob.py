"""KAP and PCK of one model over synthetic's knob: does the metric react to what it is made for?

    python benchmarks/studies/knob.py --model lite0 -o docs/images/knob.png
    python benchmarks/studies/knob.py --model lite0 --instances 20 --pairs 500 --marking 0 --marking 1

Prints a Markdown table of scores and of changes since the first marking, with paired 95 % intervals
(the pictures differ, the pairs and images do not); how much more KAP changes than PCK, on the same
resamples; and the changes by category. Draws the changes. More instances and pairs than the test
split has make narrower intervals.
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kapbench.loading import load_dataset, load_model
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.running.request import RunRequest
from kapbench.running.run import run
from kapbench.scoring.bootstrap import Interval, Replicates, Resampling, interval, replicates
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import estimator
from kapbench.storage import write_atomically

MARKINGS = (0.0, 0.25, 0.5, 0.75, 1.0)
RULES = ("kap-cvpr24", "pck-sd-dino")
PCK = "PCK@0.10"
LINES = {
    "KAP@0.10": ("kap-cvpr24", "all", "#d55e00", "o-"),
    "KAP@0.10, absent with twin": ("kap-cvpr24", "absent_with_twin", "#cc79a7", "s--"),
    PCK: ("pck-sd-dino", "all", "#0072b2", "^-"),
}
Found = dict[str, list[Interval]]


@dataclass
class Measured:
    """Each line's scores and changes since the first marking, and the last change in particular."""

    scores: Found = field(default_factory=lambda: {name: [] for name in LINES})
    changes: Found = field(default_factory=lambda: {name: [] for name in LINES})
    more: dict[str, Interval] = field(default_factory=dict)  # than PCK's, on the same resamples
    of_category: dict[str, Found] = field(default_factory=dict)  # by category, then line: the last


def measure(model: str, runs: Path, markings: Sequence[float], size: dict[str, int]) -> Measured:
    found = Measured()
    first: dict[str, Replicates] = {}
    change: dict[str, Replicates] = {}
    for marking in markings:
        data = load_dataset("synthetic", marking=marking, **size)
        request = RunRequest(
            load_model(model, dataset=data.name),
            data,
            tuple(load_rule(name) for name in RULES),
            runs_root=runs,
            cache_root=cache_root(),
            device="cpu",
            intervals=False,
        )
        records = run(request, Progress(show=True)).records
        resampling = Resampling.of(records)
        categories = records["category"].cat.categories
        # Both headlines are plain means over categories: a difference of them is of one thing.
        mean = np.full(len(categories), 1 / len(categories))
        for name, (rule, split, *_) in LINES.items():
            average, over = load_rule(rule).headline
            assert over == "mean"
            made = estimator(records, load_rule(rule), 0.10, average, split=split)
            again = replicates(made, resampling)
            change[name] = again - first.setdefault(name, again)
            found.scores[name].append(interval(again, mean))
            found.changes[name].append(interval(change[name], mean))
    found.more = {n: interval(c - change[PCK], mean) for n, c in change.items() if n != PCK}
    for category, weights in zip(categories, np.eye(len(categories)), strict=True):
        found.of_category[category] = {n: [interval(c, weights)] for n, c in change.items()}
    return found


def draw(found: Measured, markings: Sequence[float], model: str, out: Path) -> None:
    """Change since the first marking, one line a score, bars of 95 %."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for i, (name, changes) in enumerate(found.changes.items()):
        *_, colour, style = LINES[name]
        at = [m + 0.012 * (i - 1) for m in markings]
        axes.errorbar(
            at, [100 * f.value for f in changes], [100 * f.half_width for f in changes], fmt=style,
            color=colour, capsize=2, elinewidth=0.8,
            label=f"{name} (from {100 * found.scores[name][0].value:.1f})",
        )  # fmt: skip
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.set(xlabel="marking: how far the two sides differ", ylabel="change in points")
    axes.set_title(f"{model} on synthetic", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", loc="upper left")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=200)
    write_atomically(out, content.getvalue())


def say(found: Measured, markings: Sequence[float]) -> None:
    print(f"| marking | {' | '.join(f'{m:.2f}' for m in markings)} | change, 95 % |")
    print("|---" * (len(markings) + 2) + "|")
    for name, scores in found.scores.items():
        shown = " | ".join(f"{100 * f.value:.1f}" for f in scores)
        print(f"| {name} | {shown} | {_said(found.changes[name][-1])} |")
    print()
    for name, more in found.more.items():
        print(f"* {name} changes by {_said(more)} more than {PCK}")
    print(f"\n| change | {' | '.join(LINES)} |")
    print("|---" * (len(LINES) + 1) + "|")
    for category, last in found.of_category.items():
        print(f"| {category} | {' | '.join(_said(last[name][0]) for name in LINES)} |")


def _said(found: Interval) -> str:
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} … {100 * found.high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--runs", type=Path, default=cache_root() / "knob")
    parser.add_argument("--instances", type=int, help="a category's, instead of the test split's")
    parser.add_argument("--pairs", type=int, help="a category's, instead of the test split's")
    parser.add_argument("--marking", type=float, action="append", help=f"default: {MARKINGS}")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    size = {k: v for k in ("instances", "pairs") if (v := getattr(given, k)) is not None}
    markings = given.marking or MARKINGS
    found = measure(given.model, given.runs, markings, size)
    say(found, markings)
    if given.out:
        draw(found, markings, given.model, given.out)


if __name__ == "__main__":
    main()
