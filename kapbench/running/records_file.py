"""A file of records, by the column: a score reads what it needs, and few columns are in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kapbench.running.results import RECORDS, check_records, load_card
from kapbench.scoring.records import TEXT

KEPT_BYTES = 1 << 28  # of numbers: all columns of SPair-71k, or those that the next score needs too


@dataclass(frozen=True, eq=False)
class StoredRecords:
    """Columns of a parquet file, each read when it is asked for.

    Columns of text are kept, as codes; of all others the last ones, up to `KEPT_BYTES`.

    Raises:
        KeyError: no such column.
    """

    path: Path
    categories: Sequence[str]
    _text: "dict[str, pd.Series[Any]]" = field(default_factory=dict, repr=False)
    _numbers: "dict[str, pd.Series[Any]]" = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, folder: Path) -> "StoredRecords":
        """Of a finished run. KapbenchError where there is none, or its records were changed."""
        check_records(folder)
        return cls(folder / RECORDS, load_card(folder).dataset.categories)

    def __getitem__(self, column: str, /) -> "pd.Series[Any]":
        kept = self._text if column in TEXT else self._numbers
        found = kept.pop(column, None)
        if found is None:
            found = self._read(column)
            pa.default_memory_pool().release_unused()  # else it stays: 300 bytes a pair
        kept[column] = found
        while len(self._numbers) > 1 and sum(c.nbytes for c in self._numbers.values()) > KEPT_BYTES:
            del self._numbers[next(iter(self._numbers))]
        return found

    def __len__(self) -> int:
        return self._n_rows

    @cached_property
    def _n_rows(self) -> int:
        return int(pq.read_metadata(self.path).num_rows)

    def _read(self, column: str) -> "pd.Series[Any]":
        text = [column] if column in TEXT else []
        with pq.ParquetFile(self.path, read_dictionary=text) as file:
            found = file.read(columns=[column])
        if not found.num_columns:
            raise KeyError(column)
        if text:
            return coded(found[column], self.categories if column == "category" else None)
        return cast("pd.Series[Any]", found.to_pandas()[column])


def coded(column: pa.ChunkedArray, known: Sequence[str] | None = None) -> "pd.Series[Any]":
    """A column of dictionaries as pandas categories: those that occur, or `known`, sorted.

    `typed` does the same to a table in memory, through a Python string a pair.
    """
    whole = column.unify_dictionaries().combine_chunks()
    names = whole.dictionary.cast(pa.large_string())
    if known is None:
        order = pc.sort_indices(names)
        wanted, codes = names.take(order), np.empty(len(names), np.int32)
        codes[order.to_numpy()] = np.arange(len(names))
    else:
        wanted = pa.array(sorted(known), pa.large_string())
        codes = pc.index_in(names, wanted).to_numpy(zero_copy_only=False)
    made = codes[whole.indices.to_numpy()] if len(names) else np.empty(0, np.int32)
    index = pd.Index(wanted.to_pandas(), dtype="str")
    return pd.Series(pd.Categorical.from_codes(made, index))
