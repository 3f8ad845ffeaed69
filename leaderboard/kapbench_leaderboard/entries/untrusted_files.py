"""Reading files that strangers wrote: sizes first, then content, and nothing that could run."""

import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException, parquet

from kapbench.errors import KapbenchError
from kapbench.running.records_file import StoredRecords
from kapbench.running.results import RunCard
from kapbench.scoring.rules import PckRule
from kapbench.scoring.schema import ERROR_PX, OF_CIRCLE, OF_GEOMETRY
from kapbench.storage import file_hash
from kapbench_leaderboard.comparison.groups import selected_rules
from kapbench_leaderboard.entries.schema import Entry, StoredFile, load_entry

MEBI = 2**20
ENTRY, RECORDS, RESAMPLES = ".json", ".parquet", ".safetensors"
MOST_BYTES = {ENTRY: 5 * MEBI, RECORDS: 50 * MEBI, RESAMPLES: 20 * MEBI}
FEWER_COLUMNS = "Repeat the run with fewer rules (--rule), because each adds columns"
MOST_ROWS, MOST_COLUMNS = 2_000_000, 200


def refuse_large(path: Path, kind: str) -> None:
    """
    Args:
        kind: The suffix that files of this purpose have, whatever the path's own is.

    Raises:
        KapbenchError: no such file, or more bytes than a submission may have. It is not opened.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise KapbenchError(
            "The file is missing",
            place=path,
            fix="Write all files again with `kapbench submit prepare`",
        ) from error
    if not stat.S_ISREG(about.st_mode):
        raise KapbenchError("This is not a file", place=path, fix="Give the file itself")
    most = MOST_BYTES[kind]
    if about.st_size > most:
        raise KapbenchError(
            f"The file has {about.st_size / MEBI:,.0f} MiB; at most {most // MEBI} are accepted",
            place=path,
            fix=FEWER_COLUMNS if kind == RECORDS else "Submit each run as a separate entry",
        )


def read_entry(path: Path) -> Entry:
    """Raises KapbenchError: a link, too large, or no entry."""
    if path.is_symlink():
        raise KapbenchError("This is a link, not a file", place=path, fix="Give the file itself")
    refuse_large(path, ENTRY)
    return load_entry(path)


def refuse_unfit(path: Path, kind: str, stored: StoredFile) -> None:
    """Raises as `refuse_large` and `refuse_changed`: the file is hashed only if it is not too large."""
    refuse_large(path, kind)
    refuse_changed(path, stored)


def refuse_changed(path: Path, stored: StoredFile) -> None:
    """Raises KapbenchError: other bytes than the entry says."""
    if path.stat().st_size != stored.n_bytes or file_hash(path) != stored.sha256:
        raise KapbenchError(
            "This is not the file that the entry names by its sha256",
            place=path,
            fix="Submit the run again, without editing or exchanging its files",
        )


def read_records(path: Path, run: RunCard, names: Sequence[str] | None = None) -> pd.DataFrame:
    """A run's records, once it is sure that they are not larger than any run's.

    Args:
        names: Columns to read; None: all.

    Raises:
        KapbenchError: no parquet, larger inside than any run is, of other categories, or without
            one of the columns.
    """
    try:
        sizes = parquet.read_metadata(path)
        if sizes.num_rows > MOST_ROWS or sizes.num_columns > MOST_COLUMNS:
            raise _unfit(f"{sizes.num_rows:,} rows and {sizes.num_columns} columns", path)
        records = StoredRecords(path, run.dataset.categories)
        columns = records.columns
        if repeated := [n for n, count in Counter(columns).items() if count > 1]:
            raise _unfit(f"two columns named {', '.join(repeated)}", path)
        if missing := [n for n in (names or ("category",)) if n not in columns]:
            raise _unfit(f"no column {missing[0]}", path)
        return records.table(names)
    except (ArrowException, OSError, ValueError, TypeError) as error:
        raise KapbenchError(
            f"The records cannot be read: {error}", place=path, fix="Submit the run again"
        ) from error


def _unfit(what: str, path: Path) -> KapbenchError:
    return KapbenchError(
        f"The records have {what}", place=path, fix="Submit the records.parquet of one run"
    )


def curve_columns(run: RunCard) -> list[str]:
    """The columns of a run's records that curves and worst pairs are made of."""
    names = ["pair_id", "category", "target_visible", "size_px"]
    for rule in (run.rule(card.name) for card in selected_rules(run)):
        if isinstance(rule, PckRule):
            names.append(ERROR_PX.of(run.decode(rule)))
        else:
            names += [column.of(rule.geometry) for column in OF_GEOMETRY]
            names += [column.of(rule.geometry, rule.alphas[0]) for column in OF_CIRCLE]
    return names
