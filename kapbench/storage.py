"""Writing without halves, and hashes of what was written."""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterable
from pathlib import Path

from kapbench.errors import KapbenchError

UNFINISHED = ".tmp-"  # how names of files begin that a killed process left half-written


def write_atomically(path: Path, content: bytes) -> None:
    """Temporary file beside the place, then a move: readers see all of it or nothing.

    Raises:
        KapbenchError: the place cannot be written, or the disk is full; nothing is left there.
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
                f"cannot write: {error.strerror or error}",
                place=path,
                fix="make room or choose another folder, then run again: what is finished is kept",
            ) from error
        raise


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*parts: object) -> str:
    """Short hash of settings, by their JSON."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]


def bytes_hash(parts: Iterable[bytes]) -> str:
    """Hash of byte strings; where one ends and the next begins matters."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:32]
