"""KAP and PCK of one model over synthetic's knob: does the metric react to what it is made for?

    python benchmarks/knob.py --model lite0 -o docs/images/knob.png

Prints a Markdown table of scores and of changes since the mirror-identical object, with paired 95 %
intervals (the pictures differ, the pairs and images do not), and how much more KAP changes than PCK,
on the same resamples; draws the changes. More instances than the test split's ten a category are
other pairs, and narrower intervals.
"""

import argparse
import io
from pathlib import Path

import pandas as pd

import kapbench
from kapbench.datasets.roots import cache_root
from kapbench.files import write_atomically
from kapbench.scoring.rules import load_rule
from kapbench.scoring.stats import Interval, Replicates, Resampling, interval, replicates
from kapbench.scoring.table import estimator

MARKINGS = (0.0, 0.25, 0.5, 0.75, 1.0)
RULES = ("kap-cvpr24", "pck-sd-dino")
PCK = "PCK@0.10"
LINES = {
    "KAP@0.10": ("kap-cvpr24", "all", "#d55e00", "o-"),
    "KAP@0.10, absent with twin": ("kap-cvpr24", "absent_with_twin", "#cc79a7", "s--"),
    PCK: ("pck-sd-dino", "all", "#0072b2", "^-"),
}
Found = dict[str, list[Interval]]


def measure(
    model: str, runs: Path, instances: int | None = None
) -> tuple[Found, Found, dict[str, Interval]]:
    """Each line's scores, their changes since the first marking, and the last change less PCK's."""
    scores: Found = {name: [] for name in LINES}
    changes: Found = {name: [] for name in LINES}
    first: dict[str, Replicates] = {}
    change: dict[str, Replicates] = {}
    for marking in MARKINGS:
        data = kapbench.load_dataset("synthetic", marking=marking, instances=instances)
        records = kapbench.evaluate(model, data, rule=RULES, runs=runs).records
        resampling = Resampling.of(records)
        for name, (rule, split, *_) in LINES.items():
            again, weights = _again(records, rule, split, resampling)
            change[name] = again - first.setdefault(name, again)
            scores[name].append(interval(again, weights))
            changes[name].append(interval(change[name], weights))
    # Both rules' headlines weigh categories alike, or this difference would be of no one thing.
    assert len({load_rule(rule).headline[1] for rule in RULES}) == 1
    more = {n: interval(c - change[PCK], weights) for n, c in change.items() if n != PCK}
    return scores, changes, more


def _again(
    records: pd.DataFrame, name: str, split: str, resampling: Resampling
) -> tuple[Replicates, "pd.Series[float]"]:
    rule = load_rule(name)
    average, over = rule.headline
    made = estimator(records, rule, 0.10, average, split=split)
    return replicates(made, resampling), made.by_category().weights(over)


def draw(scores: Found, changes: Found, model: str, out: Path) -> None:
    """Change since the mirror-identical object, one line a score, bars of 95 %."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for i, (name, found) in enumerate(changes.items()):
        *_, colour, style = LINES[name]
        at = [m + 0.012 * (i - 1) for m in MARKINGS]
        axes.errorbar(
            at, [100 * f.value for f in found], [100 * f.half_width for f in found], fmt=style,
            color=colour, capsize=2, elinewidth=0.8,
            label=f"{name} (from {100 * scores[name][0].value:.1f})",
        )  # fmt: skip
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.set(xlabel="marking: how far the two sides differ", ylabel="change in points")
    axes.set_title(f"{model} on synthetic", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", loc="upper left")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=200)
    write_atomically(out, content.getvalue())


def _said(found: Interval) -> str:
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} … {100 * found.high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--runs", type=Path, default=cache_root() / "knob")
    parser.add_argument("--instances", type=int, help="a category's")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    scores, changes, more = measure(arguments.model, arguments.runs, arguments.instances)
    print(f"| marking | {' | '.join(f'{m:.2f}' for m in MARKINGS)} | change, 95 % |")
    print("|---" * (len(MARKINGS) + 2) + "|")
    for name, found in scores.items():
        shown = " | ".join(f"{100 * f.value:.1f}" for f in found)
        print(f"| {name} | {shown} | {_said(changes[name][-1])} |")
    print()
    for name, found_more in more.items():
        print(f"* {name} changes by {_said(found_more)} more than {PCK}")
    if arguments.out:
        draw(scores, changes, arguments.model, arguments.out)


if __name__ == "__main__":
    main()
