"""A server in a process of its own, which gives one file at the same address every time."""

import functools
import http.server
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(path: Path, port_file: Path) -> Iterator[str]:
    """The address of a file, which may not be there yet.

    Args:
        port_file: Keeps the port between calls.
    """
    listening = socket.create_server(
        ("127.0.0.1", int(port_file.read_text()) if port_file.exists() else 0)
    )
    port = listening.getsockname()[1]
    port_file.write_text(str(port))
    if (process := os.fork()) == 0:
        _serve(listening, path.parent)
    listening.close()
    try:
        yield f"http://127.0.0.1:{port}/{path.name}"
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _serve(listening: socket.socket, folder: Path) -> None:
    """The forked process; it does not return."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(
        listening.getsockname()[:2], handler, bind_and_activate=False
    )
    server.socket.close()
    server.socket = listening
    try:
        server.serve_forever()
    finally:
        os._exit(1)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""
