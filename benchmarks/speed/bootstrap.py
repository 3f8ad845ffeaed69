"""Seconds for all intervals of a table as large as SPair-71k's test split.

    python benchmarks/speed/bootstrap.py [RUN_FOLDER]

The rows of a finished run (by default, of an entry of the leaderboard) are repeated, under other names,
until there are 86,000 of them in 18 categories; then every score of every rule is taken with its
interval over 1,000 resamples. The baseline of the same process is scikit-learn's
average_precision_score with a weight a sample, category by category, for one KAP of the same table.
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
N_NAIVE = 5  # resamples that the baseline is timed over


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
    return whole.astype(dict.fromkeys(text, "category"))


def naive(records: pd.DataFrame) -> None:
    """One KAP under N_NAIVE resamples."""
    rng = np.random.default_rng(0)
    samples = kap_samples(records, load_rule("kap-cvpr24"), 0.10)
    category = records["category"].cat.codes.to_numpy()[samples.row]
    pair = records["pair_id"].cat.codes.to_numpy()[samples.row]
    own = [np.flatnonzero(category == c) for c in np.unique(category)]
    for _ in range(N_NAIVE):
        weights = rng.poisson(1.0, pair.max() + 1).astype(float)[pair]
        for rows in own:
            average_precision_score(
                samples.label[rows], samples.score[rows], sample_weight=weights[rows]
            )


def seconds(job: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = job()
    return time.perf_counter() - started, found


def entry(path: Path) -> tuple[pd.DataFrame, list[Rule]]:
    """Rows and rules of an entry of the leaderboard."""
    run = Entry.model_validate_json(path.read_text()).run
    records = StoredRecords(records_path(path), run.dataset.categories).table()
    return records, [load_rule(rule.name) for rule in run.rules]


def finished(folder: Path) -> tuple[pd.DataFrame, list[Rule]]:
    """Rows and rules of a run folder."""
    return load_records(folder), [load_rule(rule.name) for rule in load_card(folder).rules]


def measure(records: pd.DataFrame, rules: list[Rule]) -> dict[str, float]:
    records = enlarged(records)
    each = seconds(lambda: naive(records))[0] / N_NAIVE
    drawing, resampling = seconds(lambda: Resampling.of(records))
    made = estimator(records, load_rule("kap-cvpr24"), 0.10, "category")
    one, _ = seconds(lambda: replicates(made, resampling))
    with Progress() as bar:
        task = bar.add_task("scores and intervals", total=len(score_requests(rules)))
        every, scores = seconds(
            lambda: score_table(
                records, rules, resampling=resampling, advance=lambda n: bar.advance(task, n)
            )
        )
    return {
        "rows": len(records), "pairs": records["pair_id"].nunique(), "rules": len(rules),
        "resamples": N_RESAMPLES, "naive_seconds": each * N_RESAMPLES, "draw_seconds": drawing,
        "one_seconds": one, "ratio": each * N_RESAMPLES / one, "seconds": drawing + every,
        "scores": len(scores), "intervals": sum(not np.isnan(score.low) for score in scores),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="of a finished run")
    parser.add_argument("--json", type=Path)
    asked_for = parser.parse_args()
    folder = asked_for.folder
    found = measure(*(finished(folder) if folder else entry(min(ENTRIES.glob("*.json")))))
    print(
        f"{found['rows']:,} rows, {found['pairs']:,} pairs, {found['rules']} rules, "
        f"{N_RESAMPLES:,} resamples"
    )
    print(f"one KAP, scikit-learn    {found['naive_seconds']:8.1f} s, by {N_NAIVE} resamples")
    print(f"one KAP, kapbench        {found['one_seconds']:8.2f} s, x{found['ratio']:.0f}")
    print(
        f"{found['scores']:,} scores with {found['intervals']:,} intervals in "
        f"{found['seconds']:.1f} s, {found['draw_seconds']:.1f} s of them draws"
    )
    if asked_for.json:
        asked_for.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
