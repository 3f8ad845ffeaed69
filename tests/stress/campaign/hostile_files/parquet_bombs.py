"""Small Parquet files that unfold to gigabytes, or that hold what no run writes."""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from campaign.case import Case
from campaign.hostile_files.entries import accepted, check, exchange, place_entry

_TEXTS = ("pair_id", "category", "source_image", "target_image")


def cases() -> Iterator[Case]:
    """The control comes first: the records themselves, compressed in another way."""
    yield Case("parquet: control, compressed again", _compressed_again)
    for name, make in _BOMBS.items():
        yield Case(f"parquet: {name}", partial(_refused, make))


def _refused(make: Callable[[], bytes], folder: Path) -> str | None:
    exchange(place_entry(folder), ".parquet", make())
    return check(folder)


def _compressed_again(folder: Path) -> str | None:
    entry = place_entry(folder)
    records = pq.read_table(entry.with_suffix(".parquet"))
    exchange(entry, ".parquet", _write(records, compression="gzip"))
    return accepted(folder)


def _write(table: pa.Table, **how: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **{"compression": "zstd"} | how)
    return file.getvalue()


def _texts(n_rows: int, text: str) -> pa.Table:
    """Four columns of text and one of numbers; a dictionary of one text in each."""
    codes = pa.array(np.zeros(n_rows, np.int32))
    texts = {n: pa.DictionaryArray.from_arrays(codes, pa.array([text])) for n in _TEXTS}
    return pa.table({**texts, "keypoint": pa.array(np.zeros(n_rows, np.int16))})


def _lying() -> bytes:
    """Columns that unfold to 2.7 GiB, whose stated size is 1 MB each."""
    content = _zeros(190)
    group = pq.read_metadata(io.BytesIO(content)).row_group(0)
    for stated in {group.column(i).total_uncompressed_size for i in range(group.num_columns)}:
        true, untrue = (_varint(2 * number) for number in (stated, 1 << 20))
        assert len(true) == len(untrue)
        content = content.replace(true, untrue)
    return content


def _varint(number: int) -> bytes:
    """As the footer's encoding (Thrift, compact) writes whole numbers, which are doubled before."""
    digits = []
    while number > 127:
        digits.append(number % 128 | 128)
        number //= 128
    return bytes([*digits, number])


def _zeros(n_columns: int, **how: Any) -> bytes:
    column = pa.array(np.zeros(1_900_000))
    names = [f"x@{i}" for i in range(n_columns)]
    table = pa.table([column] * n_columns, names=names)
    # The one column that is looked for before all others are read.
    table = table.append_column("category", _texts(len(column), "aeroplane")["category"])
    return _write(table, **{"use_dictionary": False} | how)


def _nested() -> bytes:
    return _write(pa.table({"keypoint": pa.array([[[1]] * 1000] * 1000)}))


def _extension() -> bytes:
    kind = pa.uuid() if hasattr(pa, "uuid") else pa.binary(16)
    return _write(pa.table({"pair_id": pa.array([b"0" * 16] * 10, pa.binary(16)).cast(kind)}))


def _groups() -> bytes:
    table = pa.table({f"x@{i}": pa.array([0.0] * 4000) for i in range(40)})
    return _write(table, row_group_size=1, write_statistics=False)


def _with_footer(n_bytes: int) -> bytes:
    content = _write(_texts(10, "a"))
    return content[:-8] + n_bytes.to_bytes(4, "little") + b"PAR1"


_BOMBS: dict[str, Callable[[], bytes]] = {
    "190 columns of zeros": partial(_zeros, 190),
    "190 columns by a dictionary": partial(_zeros, 190, use_dictionary=True),
    "190 columns in gzip": partial(_zeros, 190, compression="gzip"),
    "a size that is untrue": _lying,
    "one text of 20 kB in a million rows": lambda: _write(_texts(1_000_000, "a" * 20_000)),
    "plain texts": lambda: _write(
        pa.table({n: pa.array(["a" * 4000] * 250_000) for n in _TEXTS}), use_dictionary=False
    ),
    "a text in a column of numbers": lambda: _write(
        pa.table({"x@v1": _texts(1_000_000, "a" * 10_000)["pair_id"]})
    ),
    "nested lists": _nested,
    "an extension type": _extension,
    "4,000 row groups": _groups,
    "a footer of 2 GB": partial(_with_footer, 2**31 - 1),
    "an encrypted footer": lambda: b"PARE" + bytes(50) + (40).to_bytes(4, "little") + b"PARE",
    "no rows": lambda: _write(_texts(0, "a")),
    "no columns": lambda: _write(pa.table({})),
    "nothing": lambda: b"PAR1",
    "text without rows' number": lambda: _write(pa.table({"pair_id": pa.nulls(1_900_000)})),
}
