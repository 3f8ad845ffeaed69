"""Time for all confidence intervals of a table as large as SPair-71k's test split.

    python benchmarks/speed/bootstrap.py [RUN_FOLDER]

The rows of a finished run (by default, of a leaderboard entry) are repeated under other names until
there are 86,000 of them in 18 categories. Then every score of every rule is computed with its
interval over 1,000 resamples. The baseline, in the same process, computes one KAP of the same table
with scikit-learn's average_precision_score, with a weight per sample, category by category.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import Progress
from sklearn.metrics import average_precision_score

from kapbench.running.records_file import StoredRecords
from kapbench.running.results import load_card, load_records
from kapbench.scoring.bootstrap import N_RESAMPLES, Resampling, replicates
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import Rule, load_rule
from kapbench.scoring.score_table import estimator, score_requests, score_table
from kapbench_leaderboard.entries.schema import Entry, records_path

ENTRIES = Path(__file__).parents[2] / "leaderboard/results/spair/lite0"
N_ROWS, N_CATEGORIES = 86_000, 18
N_NAIVE = 5  # resamples for which the baseline is timed


def enlarge(records: pd.DataFrame) -> pd.DataFrame:
    """Repeats whole categories, as new categories with new pairs and images."""
    text = ["pair_id", "category", "source_image", "target_image"]
    plain = records.astype(dict.fromkeys(text, "str"))
    originals = [original for _, original in plain.groupby("category")]
    copies = []
    for i in range(N_CATEGORIES):
        copy_of_group = originals[i % len(originals)].copy()
        for column in text:
            copy_of_group[column] = f"{i:02d}-" + copy_of_group[column]
        copies.append(copy_of_group)
    whole = pd.concat(copies, ignore_index=True).iloc[:N_ROWS]
    return whole.astype(dict.fromkeys(text, "category"))


def naive(records: pd.DataFrame) -> None:
    """Computes one KAP under N_NAIVE resamples with scikit-learn."""
    rng = np.random.default_rng(0)
    samples = kap_samples(records, load_rule("kap-cvpr24"), 0.10)
    category = records["category"].cat.codes.to_numpy()[samples.row]
    pair = records["pair_id"].cat.codes.to_numpy()[samples.row]
    rows_by_category = [np.flatnonzero(category == c) for c in np.unique(category)]
    for _ in range(N_NAIVE):
        weights = rng.poisson(1.0, pair.max() + 1).astype(float)[pair]
        for rows in rows_by_category:
            average_precision_score(
                samples.label[rows], samples.score[rows], sample_weight=weights[rows]
            )


def seconds(function: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def load_entry(path: Path) -> tuple[pd.DataFrame, list[Rule]]:
    """Rows and rules of an entry of the leaderboard."""
    run = Entry.model_validate_json(path.read_text()).run
    records = StoredRecords(records_path(path), run.dataset.categories).table()
    return records, [load_rule(rule.name) for rule in run.rules]


def load_run(folder: Path) -> tuple[pd.DataFrame, list[Rule]]:
    """Rows and rules of a run folder."""
    return load_records(folder), [load_rule(rule.name) for rule in load_card(folder).rules]


def measure(records: pd.DataFrame, rules: list[Rule]) -> dict[str, float]:
    records = enlarge(records)
    baseline_seconds = seconds(lambda: naive(records))[0] / N_NAIVE
    draw_seconds, resampling = seconds(lambda: Resampling.of(records))
    kap_estimator = estimator(records, load_rule("kap-cvpr24"), 0.10, "category")
    kap_seconds, _ = seconds(lambda: replicates(kap_estimator, resampling))
    with Progress() as bar:
        task = bar.add_task("scores and intervals", total=len(score_requests(rules)))
        table_seconds, scores = seconds(
            lambda: score_table(
                records, rules, resampling=resampling, advance=lambda n: bar.advance(task, n)
            )
        )
    return {
        "rows": len(records),
        "pairs": records["pair_id"].nunique(),
        "rules": len(rules),
        "resamples": N_RESAMPLES,
        "naive_seconds": baseline_seconds * N_RESAMPLES,
        "draw_seconds": draw_seconds,
        "one_seconds": kap_seconds,
        "ratio": baseline_seconds * N_RESAMPLES / kap_seconds,
        "seconds": draw_seconds + table_seconds,
        "scores": len(scores),
        "intervals": sum(not np.isnan(score.low) for score in scores),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, nargs="?", help="a run folder; by default a leaderboard entry is used"
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder
    result = measure(*(load_run(folder) if folder else load_entry(min(ENTRIES.glob("*.json")))))
    print(
        f"{result['rows']:,} rows, {result['pairs']:,} pairs, {result['rules']} rules, "
        f"{N_RESAMPLES:,} resamples"
    )
    print(
        f"one KAP, scikit-learn    {result['naive_seconds']:8.1f} s, "
        f"extrapolated from {N_NAIVE} resamples"
    )
    print(f"one KAP, kapbench        {result['one_seconds']:8.2f} s, x{result['ratio']:.0f}")
    print(
        f"{result['scores']:,} scores with {result['intervals']:,} intervals in "
        f"{result['seconds']:.1f} s, {result['draw_seconds']:.1f} s of it for drawing resamples"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
