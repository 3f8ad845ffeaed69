"""A local HTTP server of one file that serves, truncates, stalls and lies as it is told."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

STAMP = "Tue, 01 Jan 2019 00:00:00 GMT"


@dataclass
class Server:
    """`faults` are used up one a request, then the server behaves.

    truncate:N  closes after N bytes of the body        stall:N   goes silent after N bytes
    status:S    answers S                               short     announces half of the length
    long        announces twice the length              ranged    starts a range at a wrong place
    drip:N      gives a byte now and then after N       flip:N    changes byte N
    silent      closes without an answer                garbage   answers something else than HTTP
    gzip        says that the body is compressed        multipart says that it is several ranges
    no-length   ends where it closes                    chunked-cut  ends within a piece
    huge-length announces a length of 5,000 digits      drip-headers gives headers without end
    """

    content: bytes = field(default=b"", repr=False)
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True  # whether Range is heeded
    heeds_if_range: bool = True
    announces_length: bool = True
    redirect_to: str | None = None
    redirect_status: int = 302
    faults: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Server":
        served = self

        class Handler(_Handler):
            server_of = served

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.released.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/archive"


_HEADERS = {
    "gzip": {"Content-Encoding": "gzip"},
    "multipart": {"Content-Type": "multipart/byteranges; boundary=x"},
    "chunked-cut": {"Transfer-Encoding": "chunked"},
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: Server

    def do_GET(self) -> None:
        served = self.server_of
        served.asked.append(dict(self.headers))
        fault, _, number = (served.faults.pop(0) if served.faults else "").partition(":")
        self.close_connection = True
        if served.redirect_to is not None and self.path == "/archive":
            self._head(
                served.redirect_status, {"Location": served.redirect_to, "Content-Length": "0"}
            )
        elif fault == "status":
            self._head(int(number), {"Content-Length": "0"})
        elif fault != "silent":
            try:
                if fault in ("garbage", "drip-headers"):
                    self._misspeak(fault)
                else:
                    self._answer(fault, int(number or 0))
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client had enough

    def _misspeak(self, fault: str) -> None:
        """Answers something that is no response, or one whose headers never end."""
        if fault == "garbage":
            self.wfile.write(b"\x00\xff\r\n" * 99)
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Filler: ")
        self._drip(b"x" * 1000)

    def _drip(self, body: bytes) -> None:
        for byte in body:
            if self.server_of.released.wait(0.2):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def _answer(self, fault: str, number: int) -> None:
        served = self.server_of
        start = self._start()
        if start is not None and start >= len(served.content):
            self._head(
                416, {"Content-Range": f"bytes */{len(served.content)}", "Content-Length": "0"}
            )
            return
        body = served.content[start or 0 :]
        length = {"short": len(body) // 2, "long": len(body) * 2}.get(fault, len(body))
        number_of_bytes = "9" * 5000 if fault == "huge-length" else str(length)
        announces = served.announces_length and fault not in ("no-length", "chunked-cut")
        headers = {"Content-Length": number_of_bytes} if announces else {}
        headers |= _HEADERS.get(fault, {})
        if start is not None:
            said = start + 7 * (fault == "ranged")
            total = len(served.content)
            headers["Content-Range"] = f"bytes {said}-{total - 1}/{total}"
        self._head(206 if start is not None or fault == "multipart" else 200, headers)
        if fault == "chunked-cut":
            self.wfile.write(b"ffffff\r\n" + body)
            return
        if fault == "flip" and number < len(body):
            body = body[:number] + bytes([body[number] ^ 1]) + body[number + 1 :]
        if fault in ("truncate", "stall", "drip"):
            self.wfile.write(body[:number])
            self.wfile.flush()
            if fault == "stall":
                served.released.wait(20)
            if fault == "drip":
                self._drip(body[number:])
            return
        for at in range(0, len(body), 1 << 16):
            self.wfile.write(body[at : at + (1 << 16)])

    def _start(self) -> int | None:
        """First byte of the range that is to be answered; None for the whole file."""
        served = self.server_of
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if not served.ranges or wanted is None:
            return None
        if served.heeds_if_range and condition not in (None, served.etag, served.modified):
            return None
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        served = self.server_of
        self.send_response(status)
        for name, value in (("ETag", served.etag), ("Last-Modified", served.modified)):
            if value is not None:
                headers[name] = value
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""
