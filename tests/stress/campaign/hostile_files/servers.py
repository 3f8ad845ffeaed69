"""Servers of records that redirect, drip, lie or are inside the network."""

import hashlib
import json
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from misbehaving_server import Server

from campaign.case import Case, python
from campaign.hostile_files.entries import RESULTS

# `connect` is the one door to a server; the version before it had none, and connects by itself.
_FETCH = """
import http.client, json, socket, sys
from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench_leaderboard.entries import attachment, schema
about = json.loads(sys.argv[1])
schema.is_public = lambda url: True
attachment.SECONDS = about["patience_s"]
if "resolved" in about:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (about["resolved"], 443))]
    socket.getaddrinfo = lambda *_, **__: answer
    def connect(_, place):
        print("connected to", place)
        raise OSError("no connection")
    socket.socket.connect = connect
else:
    try:
        from kapbench_leaderboard.entries import public_host
        def connect(url, timeout_s):
            connection = http.client.HTTPConnection(url.host, url.port, timeout=timeout_s)
            connection.connect()
            return connection
        public_host.connect = connect
    except ImportError:
        pass
stored = schema.StoredFile(**about["file"])
try:
    with attachment.fetched(stored, Progress()):
        print("accepted")
except KapbenchError as error:
    print("refused", error)
"""
_SECONDS = 120.0  # of a process, on a machine that does other work as well
_ELSEWHERE = "http://169.254.169.254/latest"  # metadata of a cloud's machine
_URL, _PUBLIC = "https://records.example.com/x", "93.184.216.34"
_FAULTS = ("drip:0", "drip-headers", "long", "short", "garbage", "flip:99")


def cases() -> Iterator[Case]:
    """The first is the control: a server that behaves."""
    yield Case("server: control, it behaves", _behaves)
    for fault in _FAULTS:
        yield Case(f"server: {fault}", partial(_served, fault, None, 302))
    for status in (301, 302, 303, 307, 308):
        yield Case(f"server: {status} to another host", partial(_served, "", "other", status))
    for target in (_ELSEWHERE, "file:///etc/passwd", "/archive", ""):
        yield Case(f"server: redirect to {target!r}", partial(_served, "", target, 302))
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"):
        yield Case(f"server: name of {address}", partial(_resolved, address, _URL))
    for url in ("https://user:secret@example.com/x", "https://example.com:8443/x"):
        yield Case(f"server: {url}", partial(_resolved, _PUBLIC, url))
    yield Case("server: control, name of a public address", _connects)


@cache
def _records() -> bytes:
    return min(RESULTS.glob("random/*.parquet")).read_bytes()


def _fetch(url: str, folder: Path, patience_s: float = 3.0, **about: str) -> str:
    """`accepted`, or `refused` and why, or what went wrong."""
    content = _records()
    file = {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content), "url": url}
    words = json.dumps({"file": file, "patience_s": patience_s, **about})
    outcome = python(["-c", _FETCH, words], folder, _SECONDS)
    return outcome.crash or outcome.output or outcome.errors[-300:]


def _behaves(folder: Path) -> str | None:
    with Server(_records()) as server:
        answer = _fetch(server.url, folder, _SECONDS)
    return None if answer.startswith("accepted") else answer


def _served(fault: str, target: str | None, status: int, folder: Path) -> str | None:
    """The file is the right one, also at the other host, which must not be asked for it."""
    with Server(_records()) as other, Server(_records()) as server:
        server.faults = [fault] * 9
        if target is not None:
            elsewhere = other.url.replace("127.0.0.1", "localhost")
            server.redirect_to = elsewhere if target == "other" else target
            server.redirect_status = status
        answer = _fetch(server.url, folder)
        if other.asked:
            return "the other host was asked"
        if not server.asked:
            return f"the server itself was not asked: {answer}"
    return None if answer.startswith("refused") else answer


def _resolved(address: str, url: str, folder: Path) -> str | None:
    """A host whose name leads to an address, to which nothing may connect."""
    answer = _fetch(url, folder, resolved=address)
    return None if answer.startswith("refused") else answer


def _connects(folder: Path) -> str | None:
    answer = _fetch(_URL, folder, resolved=_PUBLIC)
    return None if "connected to" in answer else f"nothing was tried: {answer}"
