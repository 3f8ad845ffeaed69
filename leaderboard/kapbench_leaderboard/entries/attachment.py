"""Downloads records that do not lie beside their entry: from its host, no more than it states."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

from pydantic import HttpUrl

from kapbench.errors import KapbenchError
from kapbench.processes.unfinished import temporary_folder
from kapbench.progress import Progress
from kapbench_leaderboard.entries import public_host
from kapbench_leaderboard.entries.schema import StoredFile
from kapbench_leaderboard.entries.untrusted_files import (
    FEWER_COLUMNS,
    MEBI,
    MOST_BYTES,
    RECORDS,
    refuse_unfit,
)

SECONDS = 300.0  # for all of it
ATTEMPTS, PAUSE_S = 3, 1.0
_SILENCE_S = 20.0  # without a byte
_BLOCK = 1 << 16
_MOST_REDIRECTS = 4
_REDIRECTS = {301, 302, 303, 307, 308}
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_AGAIN = "Try again later, or download the records yourself and give --records FILE"


@contextmanager
def fetched(stored: StoredFile, progress: Progress) -> Iterator[Path]:
    """The file, for as long as it is read.

    Raises:
        KapbenchError: too large, not reachable, at another host than that of the entry or at one
            inside a network, not complete after `SECONDS`, or not the file that the entry names.
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
    with temporary_folder() as folder:
        path = folder / f"records{RECORDS}"
        with progress.stage("bytes", stored.n_bytes) as advance:
            _download(stored.url, stored.n_bytes, path, advance)
        refuse_unfit(path, RECORDS, stored)
        yield path


def _download(url: HttpUrl, n_bytes: int, to: Path, advance: Callable[[int], None]) -> None:
    """Several attempts, which all start anew; the last one's error is raised."""
    end = time.monotonic() + SECONDS
    for attempt in range(ATTEMPTS):
        with to.open("wb") as file:
            try:
                _receive(url, n_bytes, file, end)
                advance(n_bytes)
                return
            except (OSError, ValueError, http.client.HTTPException) as error:
                if time.monotonic() > end:
                    raise KapbenchError(
                        f"The records were not downloaded within {SECONDS:g} s",
                        place=url,
                        fix=_AGAIN,
                    ) from error
                if attempt + 1 == ATTEMPTS:
                    raise KapbenchError(
                        f"The records cannot be downloaded: {error or type(error).__name__}",
                        place=url,
                        fix=_AGAIN,
                    ) from error
        time.sleep(PAUSE_S * 2**attempt)


def _receive(url: HttpUrl, n_bytes: int, file: BinaryIO, end: float) -> None:
    """One attempt, of which `end` is the end, however slowly the server answers."""
    for _ in range(_MOST_REDIRECTS):
        connection = public_host.connect(url, _SILENCE_S)
        # The connection forgets its socket once it has an answer that ends with it.
        stop = threading.Timer(max(0.0, end - time.monotonic()), _shut, (connection.sock,))
        stop.daemon = True
        stop.start()
        try:
            response = _answer(connection, url)
            if response.status == 200:
                _copy(response, n_bytes, file, url, end)
                return
            url = _within_host(url, response)
        finally:
            stop.cancel()
            connection.close()
    raise KapbenchError("The server redirects again and again", place=url, fix=_AGAIN)


def _shut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was closed
        connected.shutdown(socket.SHUT_RDWR)


def _answer(connection: http.client.HTTPConnection, url: HttpUrl) -> http.client.HTTPResponse:
    target = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
    connection.request("GET", target, headers={"Accept-Encoding": "identity"})
    return connection.getresponse()


def _within_host(url: HttpUrl, response: http.client.HTTPResponse) -> HttpUrl:
    """Where the server redirects to. KapbenchError: to another host, or it is no redirect."""
    if response.status not in _REDIRECTS:
        if response.status in _BUSY:
            raise OSError(f"the server answers {response.status} {response.reason[:100]}")
        raise KapbenchError(
            f"The server answers {response.status} {response.reason[:100]}", place=url, fix=_AGAIN
        )
    target = HttpUrl(urljoin(str(url), response.headers.get("Location", "")))
    if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
        raise KapbenchError(
            f"The server redirects to another host, {target.host}, which is not followed",
            place=url,
            fix="Give an address at which the records themselves are, or --records FILE",
        )
    return target


def _copy(
    response: http.client.HTTPResponse, n_bytes: int, file: BinaryIO, url: HttpUrl, end: float
) -> None:
    have = 0
    if (response.length or 0) > n_bytes:
        have = n_bytes + 1
    while have <= n_bytes and (block := response.read1(_BLOCK)):
        have += len(block)
        file.write(block)
    if time.monotonic() > end:
        raise TimeoutError("the time is over")
    if have > n_bytes:
        raise KapbenchError(
            f"The file is larger than the {n_bytes:,} bytes that the entry states",
            place=url,
            fix="Give the address of the records that were submitted",
        )
    if response.length:
        raise OSError(f"the server stopped after {have:,} bytes")
