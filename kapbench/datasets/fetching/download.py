"""Downloads one file over HTTP: resumed where the server can, else restarted; complete or not at all."""

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kapbench.datasets.fetching.archive import FREE_DISK
from kapbench.datasets.fetching.part import Origin, Part
from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    import httpx2

Report = Callable[[int, int | None], None]  # bytes downloaded, bytes in total where known
PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # before each further attempt after one without progress
TIMEOUT_S = 30.0  # without a byte
SLOWEST_BYTES, SLOWEST_S = 30_000, 60.0  # a transfer that brings less in so long is given up
HEADERS_S = 90.0  # until a response has begun
PROGRESS_BYTES = 1 << 16  # an attempt that brings less has failed, unless it brings 1 % of the file
ROOM_FACTOR = 2.0  # free disk space required, as a multiple of the file's size
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_NUMBER = re.compile("[0-9]{1,18}")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]*"')
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

    part = Part(to.with_name(f"{to.name}.part"))
    part.path.parent.mkdir(parents=True, exist_ok=True)
    failures, most = 0, part.size
    while True:
        try:
            with httpx2.Client(timeout=timeout_s, follow_redirects=True) as client:
                _receive(client, url, part, report)
            break
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, UnicodeError) as error:
            raise KapbenchError(
                f"The address cannot be fetched: {error}", place=url, fix="Give an http(s) address"
            ) from error
        except httpx2.TooManyRedirects as error:
            raise KapbenchError(
                "The server redirects again and again", place=url, fix=_BY_HAND
            ) from error
        except (httpx2.HTTPError, _Interrupted) as error:
            failures = 1 if part.size - most >= _least_progress(part) else failures + 1
            most = max(most, part.size)
            if failures > len(pauses_s):
                raise _describe_failure(error, url, part) from error
            time.sleep(pauses_s[failures - 1])
    part.finish(to)


def _least_progress(part: Part) -> int:
    """Bytes that an attempt must bring: a server that gives a few at a time is given up."""
    total = None if part.origin is None else part.origin.total
    return PROGRESS_BYTES if total is None else max(1, min(PROGRESS_BYTES, total // 100))


def _receive(client: "httpx2.Client", url: str, part: Part, report: Report) -> None:
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
    with _begun(client, url, headers) as response:
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


@contextlib.contextmanager
def _begun(
    client: "httpx2.Client", url: str, headers: dict[str, str]
) -> Iterator["httpx2.Response"]:
    """The response, once its headers are here; a server that drips them is given up."""
    import httpx2

    late = threading.Event()

    def give_up() -> None:
        late.set()
        client.close()

    timer = threading.Timer(HEADERS_S, give_up)
    timer.daemon = True
    timer.start()
    try:
        with client.stream("GET", url, headers=headers) as response:
            timer.cancel()
            if late.is_set():
                raise _Interrupted("the server takes too long to answer")
            yield response
    except (OSError, RuntimeError, httpx2.HTTPError) as error:
        if late.is_set():  # the connection was closed under the one who waits
            raise _Interrupted("the server takes too long to answer") from error
        raise
    finally:
        timer.cancel()


def _append(
    chunks: Iterator[bytes], part: Part, have: int, total: int | None, report: Report
) -> None:
    report(have, total)
    since, then = time.monotonic(), have
    with part.path.open("ab") as file:
        for chunk in chunks:
            try:
                file.write(chunk)
            except OSError as error:
                raise _describe_full_disk(part.path, error.strerror or str(error)) from error
            have += len(chunk)
            report(have, total)
            if time.monotonic() - since > SLOWEST_S:
                if have - then < SLOWEST_BYTES:
                    raise _Interrupted(f"the server sent {have - then:,} bytes in {SLOWEST_S:g} s")
                since, then = time.monotonic(), have
    if total is not None and have < total:
        raise _Interrupted(f"the server stopped after {have:,} of {total:,} bytes")
    if total is not None and have > total:
        part.clear()
        raise _Interrupted(f"the server sent {have:,} bytes, but announced {total:,}")


def _check_status(response: "httpx2.Response", url: str, part: Part) -> None:
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


def _origin(response: "httpx2.Response", url: str) -> Origin:
    etag, modified = (response.headers.get(name) for name in ("ETag", "Last-Modified"))
    # A tag that is weak, or has signs that no later request can repeat, is no use.
    strong = etag is not None and _STRONG_TAG.fullmatch(etag) is not None
    validator = etag if strong else modified
    if validator is not None and not validator.isascii():
        validator = None
    length = response.headers.get("Content-Length", "")
    return Origin(url, validator, int(length) if _NUMBER.fullmatch(length) else None)


def _continues(
    response: "httpx2.Response", origin: Origin | None, current: Origin, have: int
) -> bool:
    """Whether a partial response starts where the unfinished file ends, and is of the same file."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if origin is None or match is None or int(match[1]) != have:
        return False
    same_total = match[2] == "*" or origin.total is None or int(match[2]) == origin.total
    # Whoever has a tag must repeat it; a date need not be.
    repeated = (
        (origin.validator,)
        if _STRONG_TAG.fullmatch(origin.validator or "")
        else (None, origin.validator)
    )
    return same_total and current.validator in repeated


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


def _describe_failure(error: Exception, url: str, part: Part) -> KapbenchError:
    what, fix = str(error) or type(error).__name__, _BY_HAND
    with contextlib.suppress(OSError):
        if part.size and part.origin is not None and part.origin.validator is not None:
            fix = f"Run the command again: {part.size:,} bytes are kept and resumed. {_BY_HAND}"
    return KapbenchError(f"The download stopped: {what}", place=url, fix=fix)
