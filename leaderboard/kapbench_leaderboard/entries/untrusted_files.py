"""Files of a stranger: sizes first, then content, nothing that could run."""

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


def read_drawn(path: Path, run: RunCard) -> pd.DataFrame:
    """The columns of a run's records that curves and worst pairs are made of, and no others.

    Raises:
        KapbenchError: records that lack them, or cannot be read.
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
                raise _unreadable(f"{file.metadata.num_rows:,} rows", path)
            records: pd.DataFrame = file.read(names).to_pandas()
    except (ArrowException, OSError, ValueError) as error:
        raise _unreadable(str(error), path) from error
    if lacking := [name for name in names if name not in records]:
        raise _unreadable(f"no column {lacking[0]}", path)
    return records


def _unreadable(why: str, path: Path) -> KapbenchError:
    return KapbenchError(f"records cannot be read: {why}", place=path, fix="submit the run again")
