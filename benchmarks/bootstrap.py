"""Seconds for all intervals of a table as large as SPair-71k's test split.

    python benchmarks/bootstrap.py RUN_FOLDER

The rows of a finished run are repeated, under other names, until there are 86,000 of them in 18
categories; then every score of every rule is taken with its interval over 1,000 resamples. The
baseline of the same process: one category-pooled KAP whose rows are copied for each resample.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import Progress

from kapbench.running.results import load_card, load_records
from kapbench.scoring.records import typed
from kapbench.scoring.rules import load_rule
from kapbench.scoring.stats import N_RESAMPLES, Resampling
from kapbench.scoring.table import asked, estimator, score_table

N_ROWS, N_CATEGORIES = 86_000, 18


def enlarged(records: pd.DataFrame) -> pd.DataFrame:
    """Whole categories again and again, as other categories with other pairs and images."""
    text = ["pair_id", "category", "source_image", "target_image"]
    plain = records.astype(dict.fromkeys(text, "str"))
    groups = [group for _, group in plain.groupby("category")]
    parts = []
    for i in range(N_CATEGORIES):
        part = groups[i % len(groups)].copy()
        for column in text:
            part[column] = f"{i:02d}-" + part[column]
        parts.append(part)
    whole = pd.concat(parts, ignore_index=True).iloc[:N_ROWS]
    return typed(whole, whole["category"].unique().tolist())


def naive(records: pd.DataFrame, n: int) -> float:
    """Seconds a resample, rows copied and sorted anew."""
    rule, rng = load_rule("kap-cvpr24"), np.random.default_rng(0)
    started = time.perf_counter()
    for _ in range(n):
        drawn = records.iloc[rng.integers(0, len(records), len(records))]
        estimator(drawn, rule, 0.10, "category").by_category()
    return (time.perf_counter() - started) / n


def main(folder: Path) -> None:
    records, card = enlarged(load_records(folder)), load_card(folder)
    rules = [load_rule(rule.name) for rule in card.rules]
    print(f"{len(records):,} rows, {records['pair_id'].nunique():,} pairs, {len(rules)} rules, "
          f"{N_RESAMPLES:,} resamples")  # fmt: skip
    each = naive(records, 5)
    print(
        f"baseline, rows copied: {each:.3f} s a resample of one KAP, {each * N_RESAMPLES:.0f} s all"
    )
    started = time.perf_counter()
    resampling = Resampling.of(records)
    print(f"draws of {resampling.counts.shape[0]} images: {time.perf_counter() - started:.1f} s")
    with Progress() as bar:
        task = bar.add_task("scores and intervals", total=len(asked(rules)))
        scores = score_table(
            records, rules, resampling=resampling, advance=lambda n: bar.advance(task, n)
        )
    n_bounded = sum(not np.isnan(score.low) for score in scores)
    print(f"{time.perf_counter() - started:.1f} s: {len(scores):,} scores, {n_bounded:,} intervals")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
