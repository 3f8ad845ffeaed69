"""Confusion of left and right: the entries of a leaderboard in one table, with 95 % intervals.

    python benchmarks/studies/confusion.py leaderboard/results/synthetic [--against sphere.lite0]

KAP and PCK are read from the entries, the confusion is computed from their records. Prints a Markdown
table in percent, best PCK first: means over categories under kap-cvpr24 and pck-sd-dino at alpha 0.10.
With --against MODEL, the last column is the difference of the confusion among hits from that of MODEL,
on the same resamples.
"""

import argparse
import json
import math
from pathlib import Path

import pandas as pd
from symmetry_confusion import KINDS, confusion

from kapbench.running.records_file import StoredRecords
from kapbench.running.results import RunCard
from kapbench.scoring.bootstrap import Resampling, interval, replicates
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import Score
from kapbench.storage import file_hash
from kapbench_leaderboard.comparison.controls import NAMES

ALPHA, KAP, PCK = 0.10, load_rule("kap-cvpr24"), load_rule("pck-sd-dino")
HEAD = (
    "model",
    "KAP",
    "PCK",
    "PCK, symmetric",
    "KAP, absent with twin",
    "confusion, visible",
    "confusion, absent",
    "confusion among hits",
)


def load_entry(path: Path) -> tuple[RunCard, pd.DataFrame]:
    """A card and its records, whose hash must be the one in the card."""
    card = RunCard.model_validate(json.loads(path.read_text(encoding="utf-8"))["run"])
    records_file = path.with_suffix(".parquet")
    if file_hash(records_file) != card.provenance.records_sha256:
        raise SystemExit(f"{records_file} does not have the hash that {path.name} states.")
    return card, StoredRecords(records_file, card.dataset.categories).table()


def stored_score(card: RunCard, metric: str, split: str = "all") -> str:
    rule = KAP if metric == "kap" else PCK
    average, over = rule.headline
    row = card.score(rule.name, metric, ALPHA, over, average=average, split=split)
    return format_row(row)


def format_row(row: Score | None) -> str:
    if row is None or row.value is None:
        return "–"
    return format_score(row.value, row.low, row.high)


def format_score(value: float, low: float | None, high: float | None) -> str:
    has_interval = low is not None and high is not None and not math.isnan(low)
    return f"{100 * value:.1f}" + (f" ({100 * low:.1f}–{100 * high:.1f})" if has_interval else "")


def computed_confusion(records: pd.DataFrame, kind: str, resampling: Resampling) -> str:
    estimator = confusion(records, PCK, ALPHA, kind)
    weights = estimator.by_category().weights("mean")
    estimate = interval(replicates(estimator, resampling), weights, "logit")
    if math.isnan(estimate.value):
        return "–"
    return format_score(estimate.value, estimate.low, estimate.high)


def difference(records: pd.DataFrame, other: pd.DataFrame, resampling: Resampling) -> str:
    """Difference of the confusion among hits from another model's, with its paired interval."""
    estimator, other_estimator = (confusion(r, PCK, ALPHA, "of_hits") for r in (records, other))
    differences = replicates(estimator, resampling) - replicates(other_estimator, resampling)
    estimate = interval(differences, estimator.by_category().weights("mean"), "plain")
    low, high = (f"{100 * bound:+.1f}" for bound in (estimate.low, estimate.high))
    return f"{100 * estimate.value:+.1f} ({low} … {high})".replace("-", "−")


def table_cells(card: RunCard, records: pd.DataFrame, other: pd.DataFrame | None) -> list[str]:
    resampling = Resampling.of(records)
    differences = []
    if other is not None:
        differences = ["–" if other is records else difference(records, other, resampling)]
    return [
        card.model.name,
        stored_score(card, "kap"),
        stored_score(card, "pck"),
        stored_score(card, "pck", "symmetric"),
        stored_score(card, "kap", "absent_with_twin"),
        *(computed_confusion(records, kind, resampling) for kind in KINDS),
        *differences,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the entries of a data set, <model>/<name>.json")
    parser.add_argument("--controls", action="store_true", help="include the controls")
    parser.add_argument("--against", metavar="MODEL", help="the model to compare with")
    arguments = parser.parse_args()
    entries = [load_entry(path) for path in sorted(arguments.folder.rglob("*.json"))]
    records_by_name = {card.model.name: records for card, records in entries}
    if arguments.against is not None and arguments.against not in records_by_name:
        parser.error(
            f"There is no entry of {arguments.against}. Entries: {', '.join(records_by_name)}."
        )
    other = None if arguments.against is None else records_by_name[arguments.against]
    selected = [e for e in entries if arguments.controls or e[0].model.name not in NAMES]
    average, over = PCK.headline

    def order(entry: tuple[RunCard, pd.DataFrame]) -> float:
        score = entry[0].score(PCK.name, "pck", ALPHA, over, average=average)
        return -(score.value or 0.0) if score else 0.0

    head = (*HEAD, *([] if other is None else [f"difference from {arguments.against}, paired"]))
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for card, records in sorted(selected, key=order):
        print("| " + " | ".join(table_cells(card, records, other)) + " |")


if __name__ == "__main__":
    main()
