"""Accepted results as `kapbench compare` takes them: cards and resamples."""

from collections.abc import Sequence
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard
from kapbench_leaderboard.comparison.resamples import Resamples, key, load, make
from kapbench_leaderboard.entries.schema import (
    find_entries,
    load_entry,
    records_path,
    resamples_path,
)
from kapbench_leaderboard.entries.untrusted_files import (
    RECORDS,
    RESAMPLES,
    read_records,
    refuse_changed,
    refuse_large,
)


def entry_runs(place: Path) -> dict[Path, RunCard]:
    """Runs of an entry, or of all below a folder of results, by the entry's path; none elsewhere.

    Raises:
        KapbenchError: a file that is no entry.
    """
    found = [place] if place.is_file() else find_entries(place)
    if place.is_dir() and not any(resamples_path(path).exists() for path in found):
        return {}
    return {path.resolve(): load_entry(path).run for path in found}


def entry_resamples(path: Path, rules: Sequence[str] | None, alpha: float | None) -> Resamples:
    """Those stored beside an entry where they answer the same questions; else from its records.

    Raises:
        KapbenchError: a file that is not the entry's, or records that lie elsewhere.
    """
    entry = load_entry(path)
    if key(entry.run, rules, alpha) == key(entry.run):
        refuse_large(resamples_path(path), RESAMPLES)
        refuse_changed(resamples_path(path), entry.resamples)
        return load(resamples_path(path))
    records = records_path(path)
    if not records.exists():
        raise KapbenchError(
            "stored resamples are of the best-known rules at their first alpha, and the records "
            f"lie elsewhere: {entry.records.url}",
            place=path,
            fix="leave out --rule and --alpha, or put the records beside the entry as .parquet",
        )
    refuse_large(records, RECORDS)
    refuse_changed(records, entry.records)
    return make(read_records(records, entry.run), entry.run, rules, alpha)
