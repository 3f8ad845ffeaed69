"""Files of a stranger: sizes first, then content, nothing that could run."""

from pathlib import Path

import pandas as pd
from pyarrow import ArrowException, parquet

from kapbench.errors import KapbenchError
from kapbench.files import file_hash
from kapbench.scoring.records import typed
from kapbench_leaderboard.entries import StoredFile

MEBI = 2**20
MOST_BYTES = {".json": 5 * MEBI, ".parquet": 50 * MEBI, ".safetensors": 20 * MEBI}
MOST_ROWS, MOST_COLUMNS = 2_000_000, 200


def refuse_large(path: Path) -> None:
    """
    Raises:
        KapbenchError: no such file, or more bytes than a submission needs. It is not opened.
    """
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        raise KapbenchError(
            "file missing", place=path, fix="`kapbench submit RUN --to FOLDER` writes all three"
        ) from error
    most = MOST_BYTES[path.suffix]
    if n_bytes > most:
        raise KapbenchError(
            f"file of {n_bytes / MEBI:,.0f} MiB, at most {most // MEBI} are taken",
            place=path,
            fix="submit one run a file; keep large records elsewhere: --records-url",
        )


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
        KapbenchError: no parquet, or larger inside than any run is.
    """
    try:
        about = parquet.read_metadata(path)
        if about.num_rows > MOST_ROWS or about.num_columns > MOST_COLUMNS:
            raise KapbenchError(
                f"records of {about.num_rows:,} rows and {about.num_columns} columns",
                place=path,
                fix="submit the records.parquet of one run",
            )
        return typed(pd.read_parquet(path), categories)
    except (ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise KapbenchError(
            f"records cannot be read: {error}", place=path, fix="submit the run again"
        ) from error
