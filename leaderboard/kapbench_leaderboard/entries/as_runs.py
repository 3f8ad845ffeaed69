"""Accepted results in the form of runs, for `kapbench compare`: run cards and resamples."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard
from kapbench_leaderboard.comparison.resamples import Resamples, key, make
from kapbench_leaderboard.comparison.resamples_file import load
from kapbench_leaderboard.entries.schema import (
    Entry,
    find_entries,
    load_entry,
    records_path,
    resamples_path,
)
from kapbench_leaderboard.entries.untrusted_files import (
    RECORDS,
    RESAMPLES,
    read_records,
    refuse_unfit,
)


def entry_runs(place: Path) -> dict[Path, RunCard]:
    """Run cards of an entry, or of all entries below a folder of results, by the entry's path.

    A folder that holds no entry gives none.

    Raises:
        KapbenchError: a file is not an entry.
    """
    entries = [place] if place.is_file() else find_entries(place)
    if place.is_dir() and not any(resamples_path(path).exists() for path in entries):
        return {}
    return {path.resolve(): load_entry(path).run for path in entries}


def entry_resamples(path: Path, rules: Sequence[str] | None, alpha: float | None) -> Resamples:
    """The stored resamples of an entry, if they have the same rules and alpha; else from its records.

    Raises:
        KapbenchError: a file was changed, or the records lie elsewhere.
    """
    entry = load_entry(path)
    if key(entry.run, rules, alpha) == key(entry.run):
        refuse_unfit(resamples_path(path), RESAMPLES, entry.resamples)
        return load(resamples_path(path))
    return make(_records(path, entry, _OTHER_RESAMPLES), entry.run, rules, alpha)


_OTHER_RESAMPLES = (
    "The stored resamples have other rules or another alpha, and the records lie elsewhere",
    "Leave out --rule and --alpha, or place the records beside the entry as .parquet",
)


def entry_records(path: Path) -> pd.DataFrame:
    """The records of an entry.

    Raises:
        KapbenchError: a file was changed, or the records lie elsewhere.
    """
    fix = "Place them beside the entry as .parquet, under the name of the entry"
    return _records(path, load_entry(path), ("The records of this entry lie elsewhere", fix))


def _records(path: Path, entry: Entry, elsewhere: tuple[str, str]) -> pd.DataFrame:
    """`elsewhere`: what is wrong where the records are not beside the entry, and what to do."""
    records = records_path(path)
    if not records.exists():
        thing, fix = elsewhere
        raise KapbenchError(f"{thing}, at {entry.records.url}", place=path, fix=fix)
    refuse_unfit(records, RECORDS, entry.records)
    return read_records(records, entry.run)
