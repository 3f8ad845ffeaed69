"""Reading files that strangers wrote: sizes first, then content, and nothing that could run."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException

from kapbench.errors import KapbenchError
from kapbench.running.records_file import StoredRecords
from kapbench.running.results import RunCard
from kapbench.scoring.rules import PckRule
from kapbench.scoring.schema import ERROR_PX, OF_CIRCLE, OF_GEOMETRY
from kapbench.untrusted.regular_files import NotRegularError, open_regular
from kapbench_leaderboard.comparison.groups import selected_rules
from kapbench_leaderboard.entries import schema
from kapbench_leaderboard.entries.schema import Entry, StoredFile, load_entry
from kapbench_leaderboard.entries.unfold import refuse_bomb, refuse_bombs

MEBI = 2**20
ENTRY, RECORDS, RESAMPLES = ".json", ".parquet", ".safetensors"
MOST_BYTES = {ENTRY: schema.MOST_BYTES, RECORDS: 50 * MEBI, RESAMPLES: 20 * MEBI}
_BATCH_BYTES = 32 * MEBI
FEWER_COLUMNS = "Repeat the run with fewer rules (--rule), because each adds columns"


def read_file(path: Path, kind: str) -> bytes:
    """
    Args:
        kind: The suffix that files of this purpose have, whatever the path's own is.

    Raises:
        KapbenchError: no regular file, or more bytes than a submission may have; then none is read.
    """
    most = MOST_BYTES[kind]
    try:
        with open_regular(path, follow_link=kind != ENTRY) as file:
            n_bytes = os.fstat(file.fileno()).st_size
            content = file.read(most + 1) if n_bytes <= most else b""
    except NotRegularError as error:
        raise KapbenchError(
            f"{error}".capitalize(), place=path, fix="Give the file itself"
        ) from error
    except FileNotFoundError as error:
        raise KapbenchError(
            "The file is missing",
            place=path,
            fix="Write all files again with `kapbench submit prepare`",
        ) from error
    except OSError as error:
        raise KapbenchError(
            f"The file cannot be read: {error.strerror or error}",
            place=path,
            fix="Write all files again with `kapbench submit prepare`",
        ) from error
    if max(n_bytes, len(content)) > most:
        raise KapbenchError(
            f"The file has {n_bytes / MEBI:,.0f} MiB; at most {most // MEBI} are accepted",
            place=path,
            fix=FEWER_COLUMNS if kind == RECORDS else "Submit each run as a separate entry",
        )
    return content


def read_entry(path: Path) -> Entry:
    """Raises KapbenchError: a link or no file, too large, or no entry."""
    read_file(path, ENTRY)
    return load_entry(path)


def refuse_unfit(path: Path, kind: str, stored: StoredFile) -> None:
    """Raises as `read_file`, or for other bytes than the entry states."""
    content = read_file(path, kind)
    if len(content) != stored.n_bytes or hashlib.sha256(content).hexdigest() != stored.sha256:
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
    refuse_bomb(read_file(path, RECORDS), path)
    return read_checked(path, run, names)


def refuse_large_records(paths: Iterable[Path]) -> None:
    """Raises KapbenchError for the first file that `read_records` refuses before it reads columns.

    One process reads many files, because its start costs more than a file.
    """
    batch: list[tuple[bytes, Path]] = []
    for path in paths:
        batch.append((read_file(path, RECORDS), path))
        if sum(len(content) for content, _ in batch) > _BATCH_BYTES:
            refuse_bombs(batch)
            batch = []
    if batch:
        refuse_bombs(batch)


def read_checked(
    path: Path, run: RunCard, names: Sequence[str] | None = None, optional: Sequence[str] = ()
) -> pd.DataFrame:
    """The records in a file that `refuse_large_records` accepted.

    Args:
        names: Columns to read; None: all.
        optional: More columns, read where the file has them.

    Raises:
        KapbenchError: no parquet, of other categories, or without one of the `names`.
    """
    try:
        records = StoredRecords(path, run.dataset.categories)
        missing = [n for n in (names or ("category",)) if n not in records.columns]
        if missing:
            raise KapbenchError(
                f"The records have no column {missing[0]}",
                place=path,
                fix="Submit the records.parquet of one run",
            )
        present = [n for n in optional if n in records.columns and n not in (names or ())]
        return records.table(None if names is None else [*names, *present])
    except (ArrowException, OSError, ValueError, TypeError) as error:
        raise KapbenchError(
            f"The records cannot be read: {error}", place=path, fix="Submit the run again"
        ) from error


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
