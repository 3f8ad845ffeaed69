"""Reading files that strangers wrote: sizes first, then content, and nothing that could run."""

import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException, parquet

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard
from kapbench.scoring.records import alpha_key, typed
from kapbench.scoring.rules import KapRule, PckRule, load_rule
from kapbench.storage import file_hash
from kapbench_leaderboard.comparison.curves import decode_key
from kapbench_leaderboard.comparison.groups import shown_rules
from kapbench_leaderboard.entries.schema import Entry, StoredFile, load_entry

MEBI = 2**20
ENTRY, RECORDS, RESAMPLES = ".json", ".parquet", ".safetensors"
MOST_BYTES = {ENTRY: 5 * MEBI, RECORDS: 50 * MEBI, RESAMPLES: 20 * MEBI}
FEWER_COLUMNS = "Repeat the run with fewer rules (--rule), because each adds columns."
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
            fix="Write all files again with `kapbench submit prepare`.",
        ) from error
    if not stat.S_ISREG(about.st_mode):
        raise KapbenchError("This is not a file", place=path, fix="Give the file itself.")
    most = MOST_BYTES[kind]
    if about.st_size > most:
        raise KapbenchError(
            f"The file has {about.st_size / MEBI:,.0f} MiB; at most {most // MEBI} are accepted",
            place=path,
            fix=FEWER_COLUMNS if kind == RECORDS else "Submit each run as an entry of its own.",
        )


def read_entry(path: Path) -> Entry:
    """
    Raises:
        KapbenchError: a link, too large, or no entry.
    """
    if path.is_symlink():
        raise KapbenchError("This is a link, not a file", place=path, fix="Give the file itself.")
    refuse_large(path, ENTRY)
    return load_entry(path)


def refuse_changed(path: Path, stored: StoredFile) -> None:
    """
    Raises:
        KapbenchError: other bytes than the entry says.
    """
    if path.stat().st_size != stored.n_bytes or file_hash(path) != stored.sha256:
        raise KapbenchError(
            "This is not the file that the entry names by its sha256",
            place=path,
            fix="Submit the run again, without editing or exchanging its files.",
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
                f"{about.num_rows:,} rows and {about.num_columns} columns are too many for one run",
                place=path,
                fix="Submit the records.parquet of one run.",
            )
        twice = [n for n, count in Counter(parquet.read_schema(path).names).items() if count > 1]
        if twice:
            raise KapbenchError(
                f"The records have two columns named {', '.join(twice)}",
                place=path,
                fix="Submit the records.parquet of one run.",
            )
        raw = pd.read_parquet(path)
        of_records = sorted(set(raw["category"].astype(str)))
        # A category that the run card lacks would be lost in the conversion.
        if not set(of_records) <= set(categories):
            raise KapbenchError(
                f"The records have {_listed(of_records)}, but the run has {_listed(categories)}",
                place=path,
                fix="Submit the card and the records of one run.",
            )
        return typed(raw, categories)
    except (ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise KapbenchError(
            f"The records cannot be read: {error}", place=path, fix="Submit the run again."
        ) from error


def _listed(names: Sequence[str]) -> str:
    return f"the categories {', '.join(names)}" if names else "no category"


def read_curve_columns(path: Path, run: RunCard) -> pd.DataFrame:
    """Only those columns of a run's records from which curves and worst pairs are drawn.

    Raises:
        KapbenchError: the records lack one of them, or cannot be read.
    """
    names = ["pair_id", "category", "target_visible", "size_px"]
    for rule in (load_rule(card.name) for card in shown_rules(run)):
        if isinstance(rule, PckRule):
            names.append(f"error_px@{decode_key(rule, run)}")
        elif isinstance(rule, KapRule):
            key, at = rule.geometry.key, alpha_key(rule.alphas[0])
            names += [f"{each}@{key}" for each in ("best", "map_min", "map_max")]
            names += [f"{side}@{key}@{at}" for side in ("inside", "outside")]
    try:
        with parquet.ParquetFile(path, read_dictionary=["pair_id", "category"]) as file:
            if file.metadata.num_rows > MOST_ROWS:
                raise _unreadable(f"they have {file.metadata.num_rows:,} rows", path)
            records: pd.DataFrame = file.read(names).to_pandas()
    except (ArrowException, OSError, ValueError) as error:
        raise _unreadable(str(error), path) from error
    if lacking := [name for name in names if name not in records]:
        raise _unreadable(f"column {lacking[0]} is missing", path)
    return records


def _unreadable(why: str, path: Path) -> KapbenchError:
    return KapbenchError(
        f"The records cannot be read: {why}", place=path, fix="Submit the run again."
    )
