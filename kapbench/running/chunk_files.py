"""Scored chunks on disk. A file's name says which pairs it holds and what its bytes hash to.

On disk a chunk is called a part, as in the run folders that earlier versions left unfinished.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kapbench.errors import KapbenchError
from kapbench.running.plan import Chunk
from kapbench.storage import file_hash, fingerprint, write_atomically

_HASH_DIGITS = 16
_FILES_PER_FOLDER = 64  # to look for one file among all of a large run's takes as long as all


@dataclass(frozen=True, slots=True)
class ChunkFiles:
    """The files below `folder`. One that holds other pairs or columns, or was changed since, does
    not count.

    Args:
        columns: Of the records that the chunks are joined to.
    """

    folder: Path
    columns: tuple[str, ...]

    def write(self, chunk: Chunk, rows: pd.DataFrame) -> None:
        content = rows.to_parquet(index=False)
        digest = hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]
        path = self._folder(chunk) / f"{_stem(chunk)}-{digest}.parquet"
        write_atomically(path, content, durable=False)  # a run is not finished without its hash

    def read(self, chunk: Chunk) -> pa.Table:
        """Raises KapbenchError: the file is missing, or was changed since it was written."""
        path = next((p for p in self._paths(chunk) if self._counts(p)), None)
        if path is None:
            raise KapbenchError(
                f"The file of chunk {chunk.number} is missing or was changed",
                place=self._folder(chunk),
                fix="Run the same command again: only this chunk is scored again",
            )
        with pq.ParquetFile(path) as file:  # a third faster than read_table where files are small
            return file.read()

    def has(self, chunk: Chunk) -> bool:
        return any(self._counts(path) for path in self._paths(chunk))

    def damaged(self, chunk: Chunk) -> list[Path]:
        return [path for path in self._paths(chunk) if not _is_whole(path)]

    def outdated(self, chunk: Chunk) -> list[Path]:
        """Whole files with the columns of another version of kapbench."""
        whole = [path for path in self._paths(chunk) if _is_whole(path)]
        return [path for path in whole if not self._counts(path)]

    def _counts(self, path: Path) -> bool:
        return _is_whole(path) and {*pq.read_schema(path).names} == {"place", *self.columns}

    def _paths(self, chunk: Chunk) -> list[Path]:
        return sorted(self._folder(chunk).glob(f"{_stem(chunk)}-*.parquet"))

    def _folder(self, chunk: Chunk) -> Path:
        return self.folder / f"{chunk.number // _FILES_PER_FOLDER:04d}"


def _stem(chunk: Chunk) -> str:
    return f"part-{chunk.number:05d}-{fingerprint(chunk.places)[:8]}"


def _is_whole(path: Path) -> bool:
    return path.is_file() and file_hash(path).startswith(path.stem.rpartition("-")[2])
