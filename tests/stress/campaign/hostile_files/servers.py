"""Servers of records that redirect, drip, lie or are inside the network."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from campaign.case import Case, python

# `connect` is the one door to a server; the version before it had none, and connects by itself.
_FETCH = """
import http.client, json, socket, sys
from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench_leaderboard.entries import attachment, schema
about = json.loads(sys.argv[1])
schema.is_public = lambda url: True
attachment.SECONDS = 3.0
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
        public_host.connect = lambda url, s: http.client.HTTPConnection(url.host, url.port, timeout=s)
    except ImportError:
        pass
stored = schema.StoredFile(sha256="0" * 64, n_bytes=1000, url=about["url"])
try:
    with attachment.fetched(stored, Progress()):
        print("accepted")
except KapbenchError as error:
    print("refused", error)
"""
_SECONDS = 45.0


def cases() -> Iterator[Case]:
    for name, answer in _ANSWERS.items():
        yield Case(f"server: {name}", partial(_served, answer))
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"):
        about = {"url": "https://records.example.com/x", "resolved": address}
        yield Case(f"server: name of {address}", partial(_refused, about))
    for url in ("https://user:secret@example.com/x", "https://example.com:8443/x"):
        about = {"url": url, "resolved": "93.184.216.34"}
        yield Case(f"server: {url}", partial(_refused, about))


def _refused(about: dict[str, str], folder: Path) -> str | None:
    outcome = python(["-c", _FETCH, json.dumps(about)], folder, _SECONDS)
    if outcome.crash is not None:
        return outcome.crash
    is_refused = outcome.output.startswith("refused")
    return None if is_refused else (outcome.output + outcome.errors)[-300:]


def _served(answer: Callable[[BaseHTTPRequestHandler, str], None], folder: Path) -> str | None:
    """A second server stands for another host, which must not be asked for anything."""
    asked: list[str] = []

    class Other(_Quiet):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    with _Serving(Other) as other:

        class First(_Quiet):
            def do_GET(self) -> None:
                answer(self, f"http://localhost:{other.server_port}/inside")

        with _Serving(First) as first:
            about = {"url": f"http://127.0.0.1:{first.server_port}/x"}
            wrong = _refused(about, folder)
    return "the other host was asked" if asked else wrong


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stopped = threading.Event()

    def log_message(self, *words: object) -> None:
        """Nothing is printed."""


class _Serving:
    def __init__(self, handler: type[_Quiet]) -> None:
        self.stopped = handler.stopped = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False

    def __enter__(self) -> ThreadingHTTPServer:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()


def _redirect(status: int, target: str) -> Callable[[BaseHTTPRequestHandler, str], None]:
    def answer(handler: BaseHTTPRequestHandler, other: str) -> None:
        handler.send_response(status)
        handler.send_header("Location", target or other)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def _drip(what: str) -> Callable[[BaseHTTPRequestHandler, str], None]:
    def answer(handler: BaseHTTPRequestHandler, _: str) -> None:
        assert isinstance(handler, _Quiet)
        if what == "body":
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
        elif what == "headers":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while not handler.stopped.wait(0.2):
                handler.wfile.write(b"a" if what != "headers" else b"A: b\r\n")
                handler.wfile.flush()
        except OSError:
            return

    return answer


def _endless(handler: BaseHTTPRequestHandler, _: str) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        return


def _garbage(handler: BaseHTTPRequestHandler, _: str) -> None:
    handler.wfile.write(b"\0" * 1000)
    handler.close_connection = True


_ANSWERS: dict[str, Callable[[BaseHTTPRequestHandler, str], None]] = {
    **{f"redirect {status} to another host": _redirect(status, "") for status in (301, 302, 307)},
    "redirect to the metadata of a cloud": _redirect(302, "http://169.254.169.254/latest"),
    "redirect to a file": _redirect(302, "file:///etc/passwd"),
    "redirect without end": _redirect(302, "/x"),
    "drips its body": _drip("body"),
    "drips its headers": _drip("headers"),
    "an endless body": _endless,
    "garbage": _garbage,
}
