"""Parts to one file of records in the data set's order, a stretch of pairs at a time.

Parts go by target image, records by pair: each part is dealt out to the stretches that its pairs lie
in, and a stretch is sorted when all of it is there. Memory holds one stretch, whatever the number of
pairs; the file is the same however the run was cut.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kapbench.errors import KapbenchError
from kapbench.files import UNFINISHED
from kapbench.running.parts import Parts
from kapbench.running.plan import Plan
from kapbench.scoring.records import TEXT

STRETCH_PAIRS = 1 << 15
HELD_ROWS = 1 << 19  # in memory, before they are put aside on disk


def join(plan: Plan, parts: Parts, path: Path) -> None:
    """Writes all rows, by pair and then by keypoint, and moves the file into place.

    Raises:
        KapbenchError: a part is gone; the folder cannot be written, and nothing is left there.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            _write(_stretches(plan, parts, Path(folder)), unfinished)
            unfinished.replace(path)
    except OSError as error:
        raise KapbenchError(
            f"cannot write: {error.strerror or error}", place=path,
            fix="make room or choose another folder, then run again: what is finished is kept",
        ) from error  # fmt: skip


def _stretches(plan: Plan, parts: Parts, folder: Path) -> Iterator[pd.DataFrame]:
    """Sorted rows of one stretch after another."""
    held: dict[int, list[pd.DataFrame]] = defaultdict(list)
    aside: dict[int, list[Path]] = defaultdict(list)
    n_held = 0
    for shard in plan.shards:
        rows = _plain(parts.read(shard))
        for number, own in rows.groupby(rows["place"] // STRETCH_PAIRS, sort=True):
            held[cast("int", number)].append(own)
        n_held += len(rows)
        if n_held > HELD_ROWS:
            for number, own_rows in held.items():
                aside[number].append(folder / f"{number}-{uuid4().hex}.parquet")
                pd.concat(own_rows).to_parquet(aside[number][-1], index=False)
            held.clear()
            n_held = 0
    if not held and not aside:  # no keypoint is shown anywhere: columns without rows
        yield _plain(parts.read(plan.shards[0]))
    for number in sorted({*held, *aside}):
        found = [_plain(pd.read_parquet(p)) for p in aside[number]] + held.pop(number, [])
        joined = pd.concat(found, ignore_index=True)
        yield joined.sort_values(["place", "keypoint"], kind="stable", ignore_index=True)


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Text as text: categories differ from part to part."""
    return rows.astype(dict.fromkeys((c for c in TEXT if c in rows), "str"))


def _write(stretches: Iterator[pd.DataFrame], path: Path) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for rows in stretches:
            table = pa.Table.from_pandas(rows.drop(columns="place"), preserve_index=False)
            if writer is None:
                writer = _writer(path, table.schema)
            writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A quarter smaller than by default: the bytes of floats are told apart by place."""
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    return pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=[c for c in TEXT if c in schema.names],
        column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
    )  # fmt: skip
