"""An accepted entry of the repository, of which one file is exchanged; and what must come of it."""

import hashlib
import json
import shutil
from pathlib import Path

from campaign.case import Outcome, command

RESULTS = Path(__file__).parents[4] / "leaderboard" / "results" / "synthetic"
SECONDS, GIB = 180.0, 3.0  # of a command, on a machine that does other work as well


def place_entry(folder: Path) -> Path:
    """A copy of an accepted entry with its three files, in folders as among the results."""
    original = min(RESULTS.glob("random/*.json"))
    for suffix in (".json", ".parquet", ".safetensors"):
        target = folder / "results" / "synthetic" / "random" / f"{original.stem}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original.with_suffix(suffix), target)
    return folder / "results" / "synthetic" / "random" / original.name


def place_run(folder: Path) -> Path:
    """The same as a finished run."""
    entry = place_entry(folder)
    run = folder / "runs" / "synthetic.test@1" / "random@1" / "rules" / "plan"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps(json.loads(entry.read_text())["run"]))
    shutil.copy(entry.with_suffix(".parquet"), run / "records.parquet")
    return run


def exchange(entry: Path, suffix: str, content: bytes) -> None:
    """Exchanges a file and makes the entry name it."""
    entry.with_suffix(suffix).write_bytes(content)
    stated = json.loads(entry.read_text())
    field = {".parquet": "records", ".safetensors": "resamples"}[suffix]
    digest = hashlib.sha256(content).hexdigest()
    stated[field] |= {"sha256": digest, "n_bytes": len(content)}
    if field == "records":
        stated["run"]["provenance"]["records_sha256"] = digest
    entry.write_text(json.dumps(stated))


def accepted(folder: Path) -> str | None:
    """What `submit check` did wrong with an entry that it must accept."""
    outcome = command(["submit", "check", "results"], folder, seconds=SECONDS, memory_gib=GIB)
    return None if outcome.status == 0 else f"an honest entry is refused: {outcome}"


def check(folder: Path, place: str = "results") -> str | None:
    """What `submit check` did wrong with files that it must refuse."""
    return refused(command(["submit", "check", place], folder, seconds=SECONDS, memory_gib=GIB))


def refused(outcome: Outcome) -> str | None:
    """What a command did wrong that has to refuse its input in a sentence."""
    if outcome.crash is not None:
        return outcome.crash
    if outcome.status != 1:
        return f"status {outcome.status}: {(outcome.output + outcome.errors)[-300:]}"
    if "The check itself fails" in outcome.output:
        return outcome.output[-300:]
    return None
