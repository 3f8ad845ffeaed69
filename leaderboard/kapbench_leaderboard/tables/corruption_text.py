"""Relative drops on corrupted images as a table for a terminal."""

import math
import textwrap
from collections.abc import Mapping

import pandas as pd

MEAN = "mean"
_CHANCE = "Differences between few images may be chance."
_SAMPLE = "synthetic.small"
_KEYS = ["model", "corruption", "severity"]


def corruption_text(
    drops: pd.DataFrame, why_no_interval: Mapping[tuple[str, str], str] | None = None
) -> str:
    """One block for each data set and two rules; at most 80 columns where names are short.

    Args:
        drops: As `kapbench.corruption_drops` returns them.
        why_no_interval: Reasons by data set and split, said where no drop has an interval.
    """
    blocks = []
    for (dataset, split), of_data in drops.groupby(["dataset", "split"], sort=False):
        rules = list(dict.fromkeys(zip(of_data["rule"], of_data["metric"], strict=True)))
        pairs = [rules[start : start + 2] for start in range(0, len(rules), 2)]
        why = (why_no_interval or {}).get((str(dataset), str(split)), "")
        blocks += [_block(of_data, f"{dataset}, {split}", pair, why) for pair in pairs]
    return "\n".join(blocks)


def _block(drops: pd.DataFrame, data: str, rules: list[tuple[str, str]], why: str) -> str:
    named = " and ".join(f"{metric.upper()} ({rule})" for rule, metric in rules)
    alpha = drops["alpha"].iloc[0]
    heading = f"{data}: {named} @{alpha:.2f}, ×100, and the drop in % of the clean score"
    shown = drops[drops["rule"].isin([rule for rule, _ in rules])]
    has_intervals = bool(shown["low"].notna().any())
    if has_intervals:
        heading += " with its 95 % interval over the images, which are the same in both runs"
    notes = [] if has_intervals else [f"No intervals{why and f': {why}'}."]
    if not has_intervals or data.startswith(f"{_SAMPLE},"):
        notes.append(_CHANCE)
    columns = [column for _, metric in rules for column in (metric.upper(), "drop")]
    rows = [["", "severity", *columns]]
    for model, of_model in drops.groupby("model", sort=False):
        rows += _rows(str(model), of_model, [rule for rule, _ in rules])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if number else text.ljust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    below = textwrap.wrap(" ".join(notes), 80)
    return "\n".join([*textwrap.wrap(heading, 80), *lines, *below, ""])


def _rows(model: str, drops: pd.DataFrame, rules: list[str]) -> list[list[str]]:
    """The clean scores first, then a row for each corruption and severity."""
    of_rules = [drops[drops["rule"] == rule].set_index(_KEYS[1:]) for rule in rules]
    clean = [cell for one in of_rules for cell in (f"{100 * one['clean'].iloc[0]:.1f}", "")]
    rows = [[model, "clean", *clean]]
    previous = ""
    for name, severity in of_rules[0].index:
        cells = []
        for one in of_rules:
            drop = one.loc[(name, severity)]
            cells += [f"{100 * drop['corrupted']:.1f}", _drop(drop)]
        rows.append([f"  {name}" if name != previous else "", str(severity), *cells])
        previous = name
    return rows


def _drop(row: pd.Series) -> str:
    drop, low, high = (100 * float(row[name]) for name in ("drop", "low", "high"))
    text = f"{drop:.1f} [{low:.1f}, {high:.1f}]" if math.isfinite(low) else f"{drop:.1f}"
    return text.replace("-", "−")  # as in the other tables
