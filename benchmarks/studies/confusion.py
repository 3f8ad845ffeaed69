"""Left and right confused: entries of a leaderboard beside each other, with 95 % intervals.

    python benchmarks/studies/confusion.py leaderboard/results/synthetic

KAP and PCK are the entries' own; the confusion is taken from their rows. Prints Markdown, best PCK
first, as percent: means over categories by kap-cvpr24 and pck-sd-dino at alpha 0.10. With --against,
how far a model's share of twins among its hits lies above another's, on the same resamples.
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

ALPHA, KAP, PCK = 0.10, load_rule("kap-cvpr24"), load_rule("pck-sd-dino")
CONTROLS = ("random", "constant", "pixels", "oracle")
HEAD = (
    "model", "KAP", "PCK", "PCK, symmetric", "KAP, absent with twin", "at the twin, both shown",
    "at the twin, hidden", "twins of all hits",
)  # fmt: skip


def entry(path: Path) -> tuple[RunCard, pd.DataFrame]:
    """A card and its rows, whose hash must be the card's."""
    card = RunCard.model_validate(json.loads(path.read_text(encoding="utf-8"))["run"])
    rows = path.with_suffix(".parquet")
    if file_hash(rows) != card.provenance.records_sha256:
        raise SystemExit(f"{rows} is not what {path.name} was written for")
    return card, StoredRecords(rows, card.dataset.categories).table()


def stored(card: RunCard, metric: str, split: str = "all") -> str:
    rule = KAP if metric == "kap" else PCK
    average, over = rule.headline
    found = card.score(rule.name, metric, ALPHA, over, average=average, split=split)
    return cell(found)


def cell(found: Score | None) -> str:
    if found is None or found.value is None:
        return "–"
    return shown(found.value, found.low, found.high)


def shown(value: float, low: float | None, high: float | None) -> str:
    known = low is not None and high is not None and not math.isnan(low)
    return f"{100 * value:.1f}" + (f" ({100 * low:.1f}–{100 * high:.1f})" if known else "")


def taken(records: pd.DataFrame, kind: str, resampling: Resampling) -> str:
    made = confusion(records, PCK, ALPHA, kind)
    found = interval(replicates(made, resampling), made.by_category().weights("mean"))
    if math.isnan(found.value):
        return "–"
    return shown(found.value, max(found.low, 0.0), min(found.high, 1.0))


def beyond(records: pd.DataFrame, other: pd.DataFrame, resampling: Resampling) -> str:
    """How many more of its hits are twins than of another model's, and the paired interval."""
    made, theirs = (confusion(r, PCK, ALPHA, "of_hits") for r in (records, other))
    apart = replicates(made, resampling) - replicates(theirs, resampling)
    found = interval(apart, made.by_category().weights("mean"))
    low, high = (f"{100 * bound:+.1f}" for bound in (found.low, found.high))
    return f"{100 * found.value:+.1f} ({low} … {high})".replace("-", "−")


def line(card: RunCard, records: pd.DataFrame, other: pd.DataFrame | None) -> list[str]:
    resampling = Resampling.of(records)
    apart = []
    if other is not None:
        apart = ["–" if other is records else beyond(records, other, resampling)]
    return [
        card.model.name, stored(card, "kap"), stored(card, "pck"), stored(card, "pck", "symmetric"),
        stored(card, "kap", "absent_with_twin"),
        *(taken(records, kind, resampling) for kind in KINDS), *apart,
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="A data set's entries, <model>/<name>.json.")
    parser.add_argument("--controls", action="store_true", help="The controls too.")
    parser.add_argument("--against", metavar="MODEL", help="One of the entries.")
    arguments = parser.parse_args()
    entries = [entry(path) for path in sorted(arguments.folder.rglob("*.json"))]
    named = {card.model.name: records for card, records in entries}
    if arguments.against is not None and arguments.against not in named:
        parser.error(f"no entry of {arguments.against}; there are {', '.join(named)}")
    other = None if arguments.against is None else named[arguments.against]
    kept = [e for e in entries if arguments.controls or e[0].model.name not in CONTROLS]
    average, over = PCK.headline

    def order(found: tuple[RunCard, pd.DataFrame]) -> float:
        score = found[0].score(PCK.name, "pck", ALPHA, over, average=average)
        return -(score.value or 0.0) if score else 0.0

    head = (*HEAD, *([] if other is None else [f"more than {arguments.against}, paired"]))
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for card, records in sorted(kept, key=order):
        print("| " + " | ".join(line(card, records, other)) + " |")


if __name__ == "__main__":
    main()
