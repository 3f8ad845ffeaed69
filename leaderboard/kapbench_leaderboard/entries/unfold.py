"""Whether Parquet from a stranger is small when it is decompressed: by what it states, then by trying.

What a file states of its size may be untrue, so it is read once in a process with little memory.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError

MEBI, GIBI = 2**20, 2**30
MOST_ROWS, MOST_COLUMNS = 2_000_000, 200
MOST_CHUNKS = 50_000  # row groups times columns
MOST_FOOTER = 8 * MEBI
MOST_TEXT = 2_000  # bytes of one name
MOST_UNFOLDED = GIBI  # ten times that of any run so far
_ADDRESS_BYTES = 2 * GIBI + MOST_UNFOLDED // 2
_SECONDS = 60
_MORE = f"more than {MOST_UNFOLDED / GIBI:g} GiB when they are decompressed"
_TOO_MUCH = f"The records have {_MORE}"
_FIX = "Submit the records.parquet of one run"


def refuse_bomb(content: bytes, place: Path) -> None:
    """
    Raises:
        KapbenchError: no Parquet, or Parquet that decompresses to more than any run's, that is nested or
            encrypted, or that ends the process that reads it.
    """
    refuse_bombs([(content, place)])


def refuse_bombs(files: Sequence[tuple[bytes, Path]]) -> None:
    """Raises as `refuse_bomb` for the first unfit file of several, which one process reads in turn."""
    from kapbench.scoring.schema import TEXT

    words = [sys.executable, "-P", "-m", "kapbench_leaderboard.entries.unfold", *TEXT]
    sizes = json.dumps([len(content) for content, _ in files]).encode()
    sent = b"".join([sizes, b"\n", *(content for content, _ in files)])
    try:
        done = subprocess.run(  # noqa: S603
            words, input=sent, capture_output=True, timeout=_SECONDS * len(files), check=False
        )
        answers, ending = (
            done.stdout,
            f"end the process that reads them, with status {done.returncode}",
        )
    except subprocess.TimeoutExpired as error:
        answers, ending = error.stdout or b"", f"take more than {_SECONDS} s to read"
    places = [place for _, place in files]
    for place, refusal in zip_longest(
        places, _answers(answers, len(files)), fillvalue=f"The records {ending}"
    ):
        if refusal is not None:
            raise KapbenchError(str(refusal), place=place, fix=_FIX)


def _answers(printed: bytes, n_files: int) -> list[object]:
    """What the process answered for each file, up to the one that ended it."""
    out: list[object] = []
    for line in printed.splitlines()[:n_files]:
        try:
            out.append(json.loads(line)["refusal"])
        except (ValueError, KeyError, TypeError):
            break
    return out


def _refusal(content: bytes, texts: list[str]) -> str | None:
    """What is wrong with the records, of which all columns are read.

    Args:
        texts: Names of the columns of text, which are imported from elsewhere at a second's cost.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if content[-4:] == b"PAR1" and int.from_bytes(content[-8:-4], "little") > MOST_FOOTER:
            return f"The records have a footer of more than {MOST_FOOTER // MEBI} MiB"
        about = parquet.read_metadata(pa.BufferReader(content))
        if wrong := [
            f"{name[:100]} does not hold {kind}" for name, kind in _unfit_columns(about, texts)
        ]:
            listed = "; ".join(wrong[:10])
            return f"The columns of the records are not those of a run: {listed}"
        too_large = next(_too_large(about), None) or _unfolds_to_more(content, texts)
        return None if too_large is None else f"The records have {too_large}"
    except MemoryError:
        return _TOO_MUCH
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        return f"The records cannot be read: {str(error)[:300]}"


def _too_large(about: Any) -> Iterator[str]:
    """What is too large by the file's own account, which is read without its columns."""
    n_rows, n_columns = about.num_rows, about.num_columns
    if n_rows > MOST_ROWS or n_columns > MOST_COLUMNS:
        yield f"{n_rows:,} rows and {n_columns} columns"
    if about.num_row_groups * n_columns > MOST_CHUNKS:
        yield f"{about.num_row_groups:,} row groups"
    counts = Counter(about.schema.to_arrow_schema().names)
    if repeated := [name[:100] for name, count in counts.items() if count > 1]:
        yield f"two columns named {', '.join(repeated)}"
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(n_columns)]
    n_bytes = sum(chunk.total_uncompressed_size for chunk in chunks)
    if max(n_bytes, n_rows * n_columns) > MOST_UNFOLDED or n_bytes < 0:
        yield f"{n_bytes / MEBI:,.0f} MiB when they are decompressed"
    if any(group.num_rows < 0 for group in groups) or sum(g.num_rows for g in groups) != n_rows:
        yield "row groups of another number of rows than they state"


def _unfit_columns(about: Any, texts: list[str]) -> Iterator[tuple[str, str]]:
    """Columns that are not text where the schema has text, or not numbers elsewhere."""
    for field in about.schema.to_arrow_schema():
        kind = str(field.type)
        if field.name in texts:
            is_fit = re.fullmatch(
                r"(dictionary<values=)?(large_)?string(, indices=\w+, ordered=\d>)?", kind
            )
        else:
            is_fit = re.fullmatch(r"bool|u?int\d+|halffloat|float|double", kind)
        if is_fit is None:
            yield field.name, "texts" if field.name in texts else "numbers"


def _unfolds_to_more(content: bytes, texts: list[str]) -> str | None:
    """Reads every column, of one row group after the other, as the records are read later."""
    import pyarrow as pa
    from pyarrow import parquet

    schema, n_bytes = parquet.read_schema(pa.BufferReader(content)), 0
    source, present = pa.BufferReader(content), [name for name in texts if name in schema.names]
    with parquet.ParquetFile(source, pre_buffer=False, read_dictionary=present) as file:
        for group in range(file.num_row_groups):
            for name in schema.names:
                values = file.read_row_group(group, columns=[name], use_threads=False)
                n_bytes += values.nbytes
                if n_bytes > MOST_UNFOLDED:
                    return _MORE
                if name in texts and _longest(values[name]) > MOST_TEXT:
                    return f"a text of more than {MOST_TEXT:,} bytes"
    return None


def _longest(values: Any) -> int:
    """Bytes of the longest text in a column of dictionaries."""
    import pyarrow.compute as pc

    lengths = [pc.max(pc.binary_length(chunk.dictionary)).as_py() for chunk in values.chunks]
    return max((n for n in lengths if n is not None), default=0)


def _child() -> None:
    sizes = json.loads(sys.stdin.buffer.readline())
    if sys.platform != "win32":
        import resource

        seconds = _SECONDS * len(sizes)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":  # elsewhere it is refused
            resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_BYTES, _ADDRESS_BYTES))
    for n_bytes in sizes:
        refusal = _refusal(sys.stdin.buffer.read(n_bytes), sys.argv[1:])
        print(json.dumps({"refusal": refusal}), flush=True)


if __name__ == "__main__":
    _child()
