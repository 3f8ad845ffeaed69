"""Records of the leaderboard's accepted entries."""

import json
from pathlib import Path

from kapbench.running.records_file import StoredRecords

RESULTS = Path(__file__).parents[2] / "leaderboard" / "results"


def committed_records(dataset: str, model: str) -> StoredRecords:
    (card,) = (RESULTS / dataset / model).glob("*.json")
    run = json.loads(card.read_text(encoding="utf-8"))["run"]
    return StoredRecords(card.with_suffix(".parquet"), run["dataset"]["categories"])
