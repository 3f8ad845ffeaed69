"""Writes files atomically, and hashes files, bytes and settings.

Caches and stored runs are named by these hashes: neither what is hashed nor the length may change.
"""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterable
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.regular_files import open_regular

UNFINISHED = ".tmp-"  # prefix of the temporary files that an interrupted process leaves behind


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a temporary file beside `path` and moves it there: readers see all of it or nothing.

    Raises:
        KapbenchError: the file cannot be written, or the disk is full; no part of it is left.
    """
    temporary = path.parent / f"{UNFINISHED}{uuid.uuid4().hex}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise KapbenchError(
                f"The file cannot be written: {error.strerror or error}",
                place=path,
                fix="Free disk space or choose another folder, then run the command again: "
                "finished work is kept",
            ) from error
        raise


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
