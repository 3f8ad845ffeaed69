"""Finished shards on disk. A part's name says which pairs it holds and what its bytes hash to."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kapbench.errors import KapbenchError
from kapbench.running.plan import Shard
from kapbench.storage import file_hash, fingerprint, write_atomically

_HASH_DIGITS = 16
_ROOM = 64  # parts


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts below `folder`. One cut from other pairs, or changed since, is not found."""

    folder: Path

    def write(self, shard: Shard, rows: pd.DataFrame) -> None:
        content = rows.to_parquet(index=False)
        digest = hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]
        write_atomically(self._room(shard) / f"{_stem(shard)}-{digest}.parquet", content)

    def read(self, shard: Shard) -> pa.Table:
        """KapbenchError where the part is gone, or was changed since it was written."""
        path = next((p for p in self._named(shard) if _whole(p)), None)
        if path is None:
            raise KapbenchError(
                f"part {shard.number} is gone or was changed", place=self._room(shard),
                fix="run again: it is made again, and what is whole is kept",
            )  # fmt: skip
        with pq.ParquetFile(path) as file:  # a third faster than read_table where files are small
            return file.read()

    def has(self, shard: Shard) -> bool:
        return any(_whole(path) for path in self._named(shard))

    def damaged(self, shard: Shard) -> list[Path]:
        return [path for path in self._named(shard) if not _whole(path)]

    def _named(self, shard: Shard) -> list[Path]:
        return sorted(self._room(shard).glob(f"{_stem(shard)}-*.parquet"))

    def _room(self, shard: Shard) -> Path:
        """A folder of a few: to look for one part among all of a large run's takes as long as all."""
        return self.folder / f"{shard.number // _ROOM:04d}"


def _stem(shard: Shard) -> str:
    return f"part-{shard.number:05d}-{fingerprint(shard.places)[:8]}"


def _whole(path: Path) -> bool:
    return file_hash(path).startswith(path.stem.rpartition("-")[2])
