"""The one reader of records.parquet: by the column, or the whole table at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kapbench.errors import KapbenchError
from kapbench.scoring.schema import TEXT
from kapbench.untrusted.regular_files import open_regular

SCORE_AGAIN = "Repeat the run with `kapbench run --force`, or remove its folder"
KEPT_BYTES = 1 << 28  # of numbers: all columns of SPair-71k, or those that the next score needs too


@dataclass(frozen=True, eq=False)
class StoredRecords:
    """The columns of a records.parquet, each read when it is first needed.

    Columns of text are kept, as pandas categories in sorted order; of all others the last ones
    read, up to `KEPT_BYTES`. A column that the file does not have is a KeyError.

    Args:
        categories: The run's, which may include some that no row has.
    """

    path: Path
    categories: Sequence[str]
    _text: "dict[str, pd.Series[Any]]" = field(default_factory=dict, repr=False)
    _numbers: "dict[str, pd.Series[Any]]" = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str, /) -> "pd.Series[Any]":
        kept = self._text if name in TEXT else self._numbers
        values = kept.pop(name, None)
        if values is None:
            values = self.table([name])[name]
            pa.default_memory_pool().release_unused()  # else it is kept: 300 bytes a pair
            self._make_room(values.nbytes)
        kept[name] = values
        return values

    def _make_room(self, n_bytes: int) -> None:
        """Drops the columns of numbers that were used longest ago."""
        while (
            self._numbers and n_bytes + sum(c.nbytes for c in self._numbers.values()) > KEPT_BYTES
        ):
            del self._numbers[next(iter(self._numbers))]

    def __len__(self) -> int:
        return int(self._metadata.num_rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the file's columns, in order."""
        return tuple(self._metadata.schema.to_arrow_schema().names)

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        with self._whole_parquet(), open_regular(self.path) as file:
            return pq.read_metadata(file)

    def table(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """The columns of these names; None: the whole table.

        Raises:
            KeyError: the file has no such column.
            KapbenchError: no parquet file; rows of a category that is not among the run's, or
                without text.
        """
        names = self.columns if names is None else names
        text = [n for n in names if n in TEXT]
        with self._whole_parquet(), open_regular(self.path) as opened:
            stored = pq.ParquetFile(opened, read_dictionary=text).read(columns=list(names))
        # Columns stay apart (copy=False): joined into one block they would be in memory twice.
        return pd.DataFrame({name: self._series(name, stored[name]) for name in names}, copy=False)

    def _series(self, name: str, values: pa.ChunkedArray) -> "pd.Series[Any]":
        if name not in TEXT:
            return pd.Series(values.to_pandas())
        if values.null_count:
            raise self._damaged(f"{values.null_count} rows without {name}")
        whole = _as_dictionary(values)
        texts = whole.dictionary.cast(pa.large_string())
        wanted = texts.take(pc.unique(whole.indices))
        if name == "category":
            if unknown := sorted(set(wanted.to_pylist()) - set(self.categories)):
                listed = ", ".join(self.categories) or "no category"
                raise self._damaged(f"rows of {', '.join(unknown)}, and the run is of {listed}")
            wanted = pa.array(self.categories, pa.large_string())
        wanted = wanted.take(pc.sort_indices(wanted))
        place = pc.index_in(texts, wanted).fill_null(-1).to_numpy()
        codes = place[whole.indices.to_numpy()]
        return pd.Series(
            pd.Categorical.from_codes(codes, pd.Index(wanted.to_pandas(), dtype="str"))
        )

    @contextmanager
    def _whole_parquet(self) -> Iterator[None]:
        """KapbenchError where the file is no parquet, or a damaged one."""
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise KapbenchError(
                f"The records cannot be read as parquet: {reason[:200]}",
                place=self.path,
                fix=SCORE_AGAIN,
            ) from error

    def _damaged(self, what: str) -> KapbenchError:
        return KapbenchError(
            f"The records have {what}",
            place=self.path,
            fix="Use the run.json and the records.parquet of one run, both unchanged",
        )


def _as_dictionary(values: pa.ChunkedArray) -> pa.DictionaryArray:
    """A column of text as its distinct texts and a number a row; each row group has its own."""
    if not pa.types.is_dictionary(values.type):
        values = values.cast(pa.large_string()).dictionary_encode()
    return values.unify_dictionaries().combine_chunks()
