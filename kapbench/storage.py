"""Writes files atomically, and hashes files, bytes and settings.

Caches and stored runs are named by these hashes: neither what is hashed nor the length may change.
"""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.processes.unfinished import sweep_once, unfinished_name
from kapbench.untrusted.regular_files import open_regular

FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}  # of file systems that cannot be asked


def write_atomically(
    path: Path, content: bytes, *, durable: bool = True, beside: Path | None = None
) -> None:
    """Writes a temporary file and moves it to `path`: readers see all of it or nothing.

    What killed processes left in the folder of the temporary file is removed first.

    Args:
        durable: Whether the file must be whole after a loss of power as well, at the cost of
            waiting for the disk. What readers check by its hash, and make again, need not be.
        beside: Folder of the temporary file, on the same disk; None: that of `path`.

    Raises:
        KapbenchError: the file cannot be written, or the disk is full; no part of it is left.
    """
    folder = path.parent if beside is None else beside
    temporary = folder / unfinished_name()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(folder.absolute())
        with temporary.open("xb") as file:
            file.write(content)
        move_into_place(temporary, path, durable=durable)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            mend = (
                "Free disk space" if error.errno in FULL else "Choose a folder that can be written"
            )
            raise KapbenchError(
                f"The file cannot be written: {error.strerror or error}",
                place=path,
                fix=f"{mend}, then run the command again: finished work is kept",
            ) from error
        raise


def move_into_place(temporary: Path, path: Path, *, durable: bool = True) -> None:
    """Moves a whole file or folder to its name; a file replaces another.

    Args:
        durable: Whether the bytes of a file, and then its name, reach the disk before this returns.

    Raises:
        OSError: it cannot be moved, or the disk refuses its bytes.
    """
    if durable and not temporary.is_dir():
        _sync(temporary, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    temporary.replace(path)
    if durable and os.name != "nt":  # Windows opens no folder
        with contextlib.suppress(OSError):
            _sync(path.parent, os.O_RDONLY)


def _sync(path: Path, how: int) -> None:
    descriptor = os.open(path, how)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bytes_hash(parts: Iterable[bytes]) -> str:
    """SHA-256 of byte strings, each preceded by its length; 32 digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:32]


def fingerprint(*settings: object) -> str:
    """SHA-256 of settings as JSON, 16 digits."""
    return hashlib.sha256(json.dumps(settings, default=str).encode()).hexdigest()[:16]
