"""Temporary files and folders: named after the process that makes them, swept once it is gone.

A file of a process on another host is swept when nothing in it has changed for a week.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from kapbench.processes.owners import Process, this_process

UNFINISHED = ".tmp-"  # prefix of temporary files beside those that they will replace
SCRATCH = "kapbench-"  # prefix of temporary folders in the system's folder for them
FOREIGN_AGE_S = 7 * 24 * 3600.0
# What follows the prefix: a process and digits; in earlier versions digits, or what mkdtemp chose.
_NAME = re.compile(r"[0-9a-f]{8}-\d{1,10}-\d{1,20}-[0-9a-f]{12}")
_EARLIER_NAME = re.compile(r"[0-9a-f]{32}|[a-z0-9_]{8}")


def unfinished_name(prefix: str = UNFINISHED) -> str:
    """A name that nobody else has, and that says whose it is."""
    return f"{prefix}{this_process()}-{uuid.uuid4().hex[:12]}"


def is_abandoned(path: Path) -> bool:
    """Whether the process that made a temporary file or folder is gone."""
    owner = Process.parse(path.name)
    gone = None if owner is None else owner.gone
    return _is_old(path) if gone is None else gone


def abandoned(folder: Path, prefix: str = UNFINISHED) -> Iterator[Path]:
    """What is left in a folder by processes that are gone; not in the folders below it."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if _is_ours(path.name, prefix) and is_abandoned(path):
                yield path


def _is_ours(name: str, prefix: str) -> bool:
    """Whether kapbench made this name: a user may have folders that begin like it."""
    if not name.startswith(prefix):
        return False
    rest = name.removeprefix(prefix)
    earlier = prefix.startswith(".") and _EARLIER_NAME.fullmatch(rest) is not None
    return earlier or _NAME.fullmatch(rest) is not None


def sweep(folder: Path, prefix: str = UNFINISHED) -> None:
    """Removes what `abandoned` yields, as far as this process may."""
    for path in abandoned(folder, prefix):
        remove(path)


@cache
def sweep_once(folder: Path) -> None:
    """As `sweep`, the first time that this process is about to write to the folder."""
    sweep(folder)


def remove(path: Path) -> None:
    """Removes a file or a folder, as far as this process may."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def scratch_root() -> Path:
    """The system's folder for temporary files."""
    return Path(tempfile.gettempdir())


def make_temporary_folder(parent: Path, prefix: str = SCRATCH) -> Path:
    """As `temporary_folder`, for a caller that removes it."""
    sweep(parent, prefix)
    folder = parent / unfinished_name(prefix)
    folder.mkdir(mode=0o700)
    return folder


@contextmanager
def temporary_folder(parent: Path | None = None, prefix: str = SCRATCH) -> Iterator[Path]:
    """A folder that is removed afterwards; what killed processes left beside it is removed first.

    Args:
        parent: None: the system's folder for temporary files.

    Raises:
        OSError: it cannot be made.
    """
    folder = make_temporary_folder(scratch_root() if parent is None else parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_old(path: Path) -> bool:
    now = time.time()
    return all(now - changed > FOREIGN_AGE_S for changed in _changes(path))


def _changes(path: Path) -> Iterator[float]:
    """When a file, or anything in a folder, was last changed; none where it is gone meanwhile."""
    with contextlib.suppress(OSError):
        yield path.lstat().st_mtime
    for parent, _, names in os.walk(path):
        for place in (Path(parent), *(Path(parent, name) for name in names)):
            with contextlib.suppress(OSError):
                yield place.lstat().st_mtime
