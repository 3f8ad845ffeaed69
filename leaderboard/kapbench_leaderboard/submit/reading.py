"""Files of a stranger: sizes first, then content, nothing that could run."""

import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException, parquet

from kapbench.errors import KapbenchError
from kapbench.files import file_hash
from kapbench.scoring.records import typed
from kapbench_leaderboard.entries import Entry, StoredFile, load_entry

MEBI = 2**20
ENTRY, RECORDS, RESAMPLES = ".json", ".parquet", ".safetensors"
MOST_BYTES = {ENTRY: 5 * MEBI, RECORDS: 50 * MEBI, RESAMPLES: 20 * MEBI}
FEWER_COLUMNS = "run again with fewer rules (--rule): each brings columns; submit those records"
MOST_ROWS, MOST_COLUMNS = 2_000_000, 200


def refuse_large(path: Path, kind: str) -> None:
    """
    Args:
        kind: The ending that a file of this purpose has; the path's own may be another.

    Raises:
        KapbenchError: no such file, or more bytes than a submission needs. It is not opened.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise KapbenchError(
            "file missing", place=path, fix="`kapbench submit RUN --to FOLDER` writes all three"
        ) from error
    if not stat.S_ISREG(about.st_mode):
        raise KapbenchError("not a file", place=path, fix="give the file itself")
    most = MOST_BYTES[kind]
    if about.st_size > most:
        raise KapbenchError(
            f"file of {about.st_size / MEBI:,.0f} MiB, at most {most // MEBI} are taken",
            place=path,
            fix=FEWER_COLUMNS if kind == RECORDS else "submit one run a file",
        )


def read_entry(path: Path) -> Entry:
    """
    Raises:
        KapbenchError: a link, too large, or no entry.
    """
    if path.is_symlink():
        raise KapbenchError("a link, not a file", place=path, fix="give the file itself")
    refuse_large(path, ENTRY)
    return load_entry(path)


def refuse_changed(path: Path, stored: StoredFile) -> None:
    """
    Raises:
        KapbenchError: other bytes than the entry says.
    """
    if path.stat().st_size != stored.n_bytes or file_hash(path) != stored.sha256:
        raise KapbenchError(
            "not the file that the entry names by its sha256",
            place=path,
            fix="submit the run again; do not edit or exchange its files",
        )


def read_records(path: Path, categories: tuple[str, ...]) -> pd.DataFrame:
    """
    Raises:
        KapbenchError: no parquet, larger inside than any run is, or of other categories.
    """
    try:
        about = parquet.read_metadata(path)
        if about.num_rows > MOST_ROWS or about.num_columns > MOST_COLUMNS:
            raise KapbenchError(
                f"records of {about.num_rows:,} rows and {about.num_columns} columns",
                place=path,
                fix="submit the records.parquet of one run",
            )
        twice = [n for n, count in Counter(parquet.read_schema(path).names).items() if count > 1]
        if twice:
            raise KapbenchError(
                f"records with two columns named {', '.join(twice)}",
                place=path,
                fix="submit the records.parquet of one run",
            )
        raw = pd.read_parquet(path)
        found = sorted(set(raw["category"].astype(str)))
        # A category that the card has not would be lost in the conversion.
        if not set(found) <= set(categories):
            raise KapbenchError(
                f"records are of {_listed(found)}, the run of {_listed(categories)}",
                place=path,
                fix="submit the card and the records of one run",
            )
        return typed(raw, categories)
    except (ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise KapbenchError(
            f"records cannot be read: {error}", place=path, fix="submit the run again"
        ) from error


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no category"
