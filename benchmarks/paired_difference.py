"""Differences between two runs on the same pairs, with 95 % intervals by resampling images.

python benchmarks/paired_difference.py RUN_FOLDER BASELINE_FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64

from kapbench.running.results import load_records
from kapbench.scoring.metrics import kap, pck_correct, pck_rows, share
from kapbench.scoring.rules import KapRule, PckRule, load_rule
from kapbench.scoring.stats import Statistic, paired_difference

ALPHA = 0.10


def statistic(rule: KapRule | PckRule, category: str | None, *, twin_split: bool) -> Statistic:
    """A rule's headline of one category, or of all: resamples to scores × 100."""
    average, over = rule.headline

    def score(
        records: pd.DataFrame, weights: Float[np.ndarray, "b n"]
    ) -> Float64[np.ndarray, "*b"]:
        if category is not None:
            chosen = (records["category"] == category).to_numpy()
            records, weights = records[chosen], weights[:, chosen]
        if isinstance(rule, KapRule):
            found = kap(records, rule, ALPHA, average, weights=weights, twin_split=twin_split)
        else:
            key = rule.decode_for(False).key
            correct = pck_correct(records, rule, key, ALPHA)
            found = share(records, correct, average, pck_rows(records, rule), weights)
        return 100 * found.over_categories(over)

    return score


def main(first: Path, second: Path) -> None:
    one, two = load_records(first), load_records(second)
    asked = [
        ("KAP@0.10", "kap-cvpr24", False),
        ("PCK@0.10", "pck-sd-dino", False),
        ("KAP@0.10, absent with twin", "kap-cvpr24", True),
    ]
    for title, name, twin_split in asked:
        rule = load_rule(name)
        print(f"{title} ({name}), mean and by category")
        for category in (None, *sorted(one["category"].unique())):
            score = statistic(rule, category, twin_split=twin_split)
            value, base = (float(score(r, np.ones((1, len(r))))[0]) for r in (one, two))
            gap = paired_difference(one, two, score)
            label = category or "mean"
            interval = f"{gap.value:+.2f} ({gap.low:+.2f} … {gap.high:+.2f})"
            print(f"  {label:6} {value:5.1f} {base:5.1f}  {interval}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
