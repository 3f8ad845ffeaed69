"""How absence AUROC, KAP and PCK of a model change as the sides of synthetic's objects become different.

    python benchmarks/studies/knob.py --model lite0 -o docs/images/knob.png
    python benchmarks/studies/knob.py --model lite0 --instances 20 --pairs 500 --marking 0 --marking 1

Prints Markdown tables: scores by `marking`, and their changes since the first marking with paired 95 %
intervals and p-values (the images' pixels differ, the pairs do not); how much more KAP changes than PCK,
on the same resamples; and the changes by category. -o draws the changes. More instances and pairs than
the test split has give narrower intervals. Results: docs/studies/marking.md.
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import kapbench
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.scoring.bootstrap import Replicates, Resampling, interval, replicates
from kapbench.scoring.intervals import Interval
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import estimator
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench.storage import write_atomically

MARKINGS = (0.0, 0.25, 0.5, 0.75, 1.0)
RULES = ("kap-cvpr24", "pck-sd-dino")
ABSENCE, PCK = "absence AUROC, twin", "PCK@0.10"
# Rule, metric, split, colour, style.
LINES = {
    ABSENCE: ("kap-cvpr24", "absence_auroc", TWIN_SPLIT, "#009e73", "D-"),
    "KAP@0.10": ("kap-cvpr24", "kap", "all", "#d55e00", "o-"),
    "KAP@0.10, twin": ("kap-cvpr24", "kap", TWIN_SPLIT, "#cc79a7", "s--"),
    PCK: ("pck-sd-dino", "pck", "all", "#0072b2", "^-"),
}
Intervals = dict[str, list[Interval]]


@dataclass
class Measurements:
    """Scores of each line by marking, their changes since the first, and details of the last change."""

    scores: Intervals = field(default_factory=lambda: {name: [] for name in LINES})
    changes: Intervals = field(default_factory=lambda: {name: [] for name in LINES})
    more: dict[str, Interval] = field(default_factory=dict)  # change minus PCK's, same resamples
    of_category: dict[str, Intervals] = field(default_factory=dict)  # last change, then by line


def measure(
    model: str, runs: Path, markings: Sequence[float], size: dict[str, int]
) -> Measurements:
    measurements = Measurements()
    first: dict[str, Replicates] = {}
    change: dict[str, Replicates] = {}
    for marking in markings:
        dataset = kapbench.load_dataset("synthetic", marking=marking, **size)
        records = kapbench.evaluate(
            model, dataset, rule=RULES, runs=runs, intervals=False, progress=Progress(show=True)
        ).records
        resampling = Resampling.of(records)
        categories = records["category"].cat.categories
        # Both headlines are plain means over categories, so that they can be subtracted.
        mean = np.full(len(categories), 1 / len(categories))
        for name, (rule, metric, split, *_) in LINES.items():
            average, over = load_rule(rule).headline
            assert over == "mean"
            how = {"metric": metric, "split": split}
            line_estimator = estimator(records, load_rule(rule), 0.10, average, **how)
            resampled = replicates(line_estimator, resampling)
            change[name] = resampled - first.setdefault(name, resampled)
            measurements.scores[name].append(interval(resampled, mean, "logit"))
            measurements.changes[name].append(interval(change[name], mean, "plain"))
    measurements.more = {
        n: interval(c - change[PCK], mean, "plain") for n, c in change.items() if n != PCK
    }
    for category, weights in zip(categories, np.eye(len(categories)), strict=True):
        measurements.of_category[category] = {
            n: [interval(c, weights, "plain")] for n, c in change.items()
        }
    return measurements


def draw(measurements: Measurements, markings: Sequence[float], model: str, out: Path) -> None:
    """Draws the changes since the first marking, one line per score, with 95 % intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for i, (name, changes) in enumerate(measurements.changes.items()):
        *_, colour, style = LINES[name]
        at = [m + 0.012 * (i - 1.5) for m in markings]
        axes.errorbar(
            at,
            [100 * change.value for change in changes],
            [100 * change.half_width for change in changes],
            fmt=style,
            color=colour,
            capsize=2,
            elinewidth=0.8,
            label=f"{name} (from {100 * measurements.scores[name][0].value:.1f})",
        )
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.set(xlabel="marking: how different the two sides are", ylabel="change in points")
    axes.set_title(f"{model} on synthetic", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", loc="upper left")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=200)
    write_atomically(out, content.getvalue())


def print_tables(measurements: Measurements, markings: Sequence[float]) -> None:
    print(f"| marking | {' | '.join(f'{m:.2f}' for m in markings)} | change, 95 % |")
    print("|---" * (len(markings) + 2) + "|")
    for name, scores in measurements.scores.items():
        cells = " | ".join(f"{100 * f.value:.1f}" for f in scores)
        print(f"| {name} | {cells} | {_format_change(measurements.changes[name][-1])} |")
    print()
    for name, difference in measurements.more.items():
        if name == ABSENCE:  # another scale
            continue
        print(f"* {name} changes by {_format_change(difference)} more than {PCK}")
    print(f"\n| change | {' | '.join(LINES)} |")
    print("|---" * (len(LINES) + 1) + "|")
    for category, last in measurements.of_category.items():
        print(f"| {category} | {' | '.join(_format_change(last[name][0]) for name in LINES)} |")


def _format_change(change: Interval) -> str:
    ends = f"{100 * change.low:+.1f} … {100 * change.high:+.1f}"
    return f"{100 * change.value:+.1f} ({ends}), p = {change.p:.1g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--runs", type=Path, default=cache_root() / "knob")
    parser.add_argument("--instances", type=int, help="per category; default: as in the test split")
    parser.add_argument("--pairs", type=int, help="per category; default: as in the test split")
    parser.add_argument("--marking", type=float, action="append", help=f"default: {MARKINGS}")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    size = {k: v for k in ("instances", "pairs") if (v := getattr(arguments, k)) is not None}
    markings = arguments.marking or MARKINGS
    measurements = measure(arguments.model, arguments.runs, markings, size)
    print_tables(measurements, markings)
    if arguments.out:
        draw(measurements, markings, arguments.model, arguments.out)


if __name__ == "__main__":
    main()
