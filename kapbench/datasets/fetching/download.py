"""Downloads one file over HTTP: resumed where the server can, else restarted; complete or not at all."""

import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kapbench.datasets.fetching.archive import FREE_DISK
from kapbench.errors import KapbenchError
from kapbench.storage import write_atomically

if TYPE_CHECKING:
    import httpx2

Report = Callable[[int, int | None], None]  # bytes downloaded, bytes in total where known
PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # before each further attempt after one without progress
TIMEOUT_S = 30.0  # without a byte
ROOM_FACTOR = 2.0  # free disk space required, as a multiple of the file's size
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_BY_HAND = (
    "Try again later, give another address (--url), or download the file yourself (--archive FILE)"
)


class _Interrupted(Exception):  # noqa: N818  it is caught here
    """The transfer stopped in a way that another attempt may succeed."""


def download(
    url: str,
    to: Path,
    report: Report,
    *,
    timeout_s: float = TIMEOUT_S,
    pauses_s: Sequence[float] = PAUSES_S,
) -> None:
    """Downloads `url` to `to`. The bytes of an interrupted attempt are kept in `to`.part.

    Args:
        timeout_s: A connection without a byte for so long is closed and tried again.
        pauses_s: Pauses between attempts in seconds; as many attempts may fail in a row.

    Raises:
        KapbenchError: the server refuses or keeps failing, or the disk is full.
    """
    import httpx2

    part = _Part(to.with_name(f"{to.name}.part"))
    part.path.parent.mkdir(parents=True, exist_ok=True)
    failures, most = 0, part.size
    with httpx2.Client(timeout=timeout_s, follow_redirects=True) as client:
        while True:
            try:
                _receive(client, url, part, report)
                break
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
                raise KapbenchError(
                    f"The address cannot be fetched: {error}",
                    place=url,
                    fix="Give an http(s) address",
                ) from error
            except (httpx2.HTTPError, _Interrupted) as error:
                failures = 1 if part.size > most else failures + 1
                most = max(most, part.size)
                if failures > len(pauses_s):
                    raise _describe_failure(error, url, part) from error
                time.sleep(pauses_s[failures - 1])
    part.finish(to)


@dataclass(frozen=True, slots=True)
class _Origin:
    """The file on the server that an unfinished file is a part of."""

    url: str
    validator: str | None  # strong ETag or date, which changes with the file
    total: int | None


@dataclass(frozen=True, slots=True)
class _Part:
    """An unfinished file and, beside it, a record of its origin."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def origin(self) -> _Origin | None:
        try:
            return _Origin(**json.loads(self._record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def _record(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def begin(self, origin: _Origin) -> None:
        self.clear()
        write_atomically(self._record, json.dumps(asdict(origin)).encode())

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def finish(self, to: Path) -> None:
        self.path.touch()  # an empty file never had bytes to append
        self.path.replace(to)
        self._record.unlink(missing_ok=True)


def _receive(client: "httpx2.Client", url: str, part: _Part, report: Report) -> None:
    """One attempt. Returns when the file is complete."""
    # Without compression by the server, so that lengths agree.
    headers = {"Accept-Encoding": "identity"}
    origin, have = part.origin, part.size
    if origin is None or origin.url != url or origin.validator is None or not have:
        part.clear()
        origin, have = None, 0
    else:
        if have == origin.total:
            return
        headers |= {"Range": f"bytes={have}-", "If-Range": origin.validator}
    with client.stream("GET", url, headers=headers) as response:
        _check_status(response, url, part)
        current = _origin(response, url)
        if response.status_code != 206:
            part.begin(current)
            have = 0
        elif not _continues(response, origin, current, have):
            part.clear()
            raise _Interrupted(
                "the file has changed on the server, or it resumes at a wrong position"
            )
        total = current.total if origin is None or response.status_code != 206 else origin.total
        _check_room(part.path.parent, total, have)
        _append(response.iter_raw(), part, have, total, report)


def _append(
    chunks: Iterator[bytes], part: _Part, have: int, total: int | None, report: Report
) -> None:
    report(have, total)
    with part.path.open("ab") as file:
        for chunk in chunks:
            try:
                file.write(chunk)
            except OSError as error:
                raise _describe_full_disk(part.path, error.strerror or str(error)) from error
            have += len(chunk)
            report(have, total)
    if total is not None and have < total:
        raise _Interrupted(f"the server stopped after {have:,} of {total:,} bytes")
    if total is not None and have > total:
        part.clear()
        raise _Interrupted(f"the server sent {have:,} bytes, but announced {total:,}")


def _check_status(response: "httpx2.Response", url: str, part: _Part) -> None:
    status = response.status_code
    if urlsplit(url).scheme == "https" and response.url.scheme != "https":
        raise KapbenchError(
            "The server redirects to an address without encryption",
            place=f"{url} → {response.url}",
            fix="Give that address with --url if you trust it",
        )
    if status == 416:  # no bytes at that position: the unfinished file is of another file
        part.clear()
        raise _Interrupted("the server's file is shorter than announced")
    if status in _BUSY:
        raise _Interrupted(f"the server answers {status} {response.reason_phrase}")
    if status not in (200, 206):
        raise KapbenchError(
            f"The server answers {status} {response.reason_phrase}", place=url, fix=_BY_HAND
        )


def _origin(response: "httpx2.Response", url: str) -> _Origin:
    etag = response.headers.get("ETag")
    weak = etag is None or etag.startswith("W/")
    validator = response.headers.get("Last-Modified") if weak else etag
    length = response.headers.get("Content-Length", "")
    return _Origin(url, validator, int(length) if length.isdecimal() else None)


def _continues(
    response: "httpx2.Response", origin: _Origin | None, current: _Origin, have: int
) -> bool:
    """Whether a partial response starts where the unfinished file ends, and is of the same file."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if origin is None or match is None or int(match[1]) != have:
        return False
    same_total = match[2] == "*" or origin.total is None or int(match[2]) == origin.total
    return same_total and current.validator in (None, origin.validator)


def _check_room(folder: Path, total: int | None, have: int) -> None:
    free = shutil.disk_usage(folder).free
    if total is not None and free < total * ROOM_FACTOR - have:
        missing = (total * ROOM_FACTOR - have - free) / 1e6
        raise _describe_full_disk(
            folder, f"{missing:,.0f} MB more are needed (file and unpacked data)"
        )


def _describe_full_disk(place: Path, why: str) -> KapbenchError:
    return KapbenchError(
        f"The disk is full: {why}", place=place, fix=f"{FREE_DISK}: the download is resumed"
    )


def _describe_failure(error: Exception, url: str, part: _Part) -> KapbenchError:
    what, fix = str(error) or type(error).__name__, _BY_HAND
    with contextlib.suppress(OSError):
        if part.size and part.origin is not None and part.origin.validator is not None:
            fix = f"Run the command again: {part.size:,} bytes are kept and resumed. {_BY_HAND}"
    return KapbenchError(f"The download stopped: {what}", place=url, fix=fix)
