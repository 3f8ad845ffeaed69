"""Downloading records that do not lie beside their entry: no more bytes than the entry states."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kapbench.datasets.fetching.download import download
from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench_leaderboard.entries.schema import StoredFile
from kapbench_leaderboard.entries.untrusted_files import (
    FEWER_COLUMNS,
    MEBI,
    MOST_BYTES,
    RECORDS,
    refuse_changed,
)


@contextmanager
def fetched(stored: StoredFile, progress: Progress) -> Iterator[Path]:
    """The file, for as long as it is read.

    Raises:
        KapbenchError: too large, not reachable, or not the file that the entry names.
    """
    if stored.url is None:
        raise ValueError("The file lies beside its entry.")
    place, most = str(stored.url), MOST_BYTES[RECORDS]
    if stored.n_bytes > most:
        raise KapbenchError(
            f"The records have {stored.n_bytes / MEBI:,.0f} MiB; at most {most // MEBI} are accepted",
            place=place,
            fix=FEWER_COLUMNS,
        )
    with TemporaryDirectory(prefix="kapbench-") as folder:
        path = Path(folder) / f"records{RECORDS}"
        here = 0
        with progress.stage("bytes", stored.n_bytes) as advance:

            def report(have: int, total: int | None) -> None:
                nonlocal here
                if max(have, total or 0) > stored.n_bytes:
                    raise KapbenchError(
                        f"The file is larger than the {stored.n_bytes:,} bytes that the entry states",
                        place=place,
                        fix="Give the address of the records that were submitted",
                    )
                advance(have - here)
                here = have

            download(place, path, report)
        refuse_changed(path, stored)
        yield path
