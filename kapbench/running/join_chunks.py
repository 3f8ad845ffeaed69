"""Chunks to one file of records in the data set's order, a stretch of pairs at a time.

Chunks go by target image, records by pair: the rows of each chunk are distributed over the stretches
that its pairs lie in, and a stretch is sorted once it is complete. Memory holds one stretch, whatever
the number of pairs; the file is the same however the run was cut.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kapbench.errors import KapbenchError
from kapbench.processes.unfinished import UNFINISHED, temporary_folder
from kapbench.running.chunk_files import ChunkFiles
from kapbench.running.plan import Plan
from kapbench.scoring.schema import TEXT, arrow_schema
from kapbench.storage import move_into_place

STRETCH_PAIRS = 1 << 15
HELD_ROWS = 1 << 17  # in memory, before they are put aside on disk


def join(
    plan: Plan,
    columns: Iterable[str],
    files: ChunkFiles,
    path: Path,
    replacing: Callable[[], None] = lambda: None,
) -> None:
    """Writes these columns of all rows, by pair and then by keypoint, and moves the file into place.

    Args:
        replacing: Called when the file is complete, before it takes its place.

    Raises:
        KapbenchError: a chunk's file is missing, or the folder cannot be written; nothing is left
            there.
    """
    try:
        with temporary_folder(path.parent, UNFINISHED) as folder:
            unfinished = folder / path.name
            with _writer(unfinished, arrow_schema(columns)) as writer:
                stored = pa.schema([pa.field("place", pa.int64()), *writer.schema])
                stretches = _Stretches(folder)
                for chunk in plan.chunks:
                    stretches.add(files.read(chunk).cast(stored))
                if not stretches.numbers:  # no keypoint is visible anywhere: columns without rows
                    writer.write_table(writer.schema.empty_table())
                for number in stretches.numbers:
                    writer.write_table(_sorted(stretches.pop(number)).cast(writer.schema))
            replacing()
            move_into_place(unfinished, path)
    except OSError as error:
        raise KapbenchError(
            f"The folder cannot be written: {error.strerror or error}",
            place=path,
            fix="Make room or choose another folder, then run again: what is finished is kept",
        ) from error
    pa.default_memory_pool().release_unused()


@dataclass
class _Stretches:
    """Unsorted rows by the number of their stretch, in memory or put aside in `folder`."""

    folder: Path
    held: dict[int, list[pa.Table]] = field(default_factory=lambda: defaultdict(list))
    aside: dict[int, list[Path]] = field(default_factory=lambda: defaultdict(list))
    n_held: int = 0

    def add(self, rows: pa.Table) -> None:
        numbers = rows["place"].to_numpy() // STRETCH_PAIRS
        for number in np.unique(numbers).tolist():
            self.held[number].append(rows.filter(pa.array(numbers == number)))
        self.n_held += len(rows)
        if self.n_held > HELD_ROWS:
            for number, tables in self.held.items():
                self.aside[number].append(self.folder / f"{number}-{uuid4().hex}.parquet")
                pq.write_table(pa.concat_tables(tables), self.aside[number][-1])
            self.held.clear()
            self.n_held = 0

    @property
    def numbers(self) -> list[int]:
        return sorted({*self.held, *self.aside})

    def pop(self, number: int) -> pa.Table:
        put_aside = [pq.read_table(path) for path in self.aside.pop(number, [])]
        return pa.concat_tables(put_aside + self.held.pop(number, []))


def _sorted(rows: pa.Table) -> pa.Table:
    """Rows by pair and keypoint; each column is released as soon as its sorted copy is made."""
    order = pc.sort_indices(rows, [("place", "ascending"), ("keypoint", "ascending")])
    rows, columns = rows.drop_columns("place"), {}
    for name in rows.column_names:
        columns[name] = rows[name].take(order).combine_chunks()
        rows = rows.drop_columns(name)
    return pa.table(columns)


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A quarter smaller than by default: floats are stored as streams of their bytes."""
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[c for c in TEXT if c in schema.names],
        column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
    )
