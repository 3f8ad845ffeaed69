"""A folder that another takes the place of as a whole, however the process ends.

Linux exchanges two names in one step. Elsewhere the old folder is moved aside first: a process that
is killed between the two steps leaves it there, and the next one puts it back.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kapbench.processes.unfinished import remove, sweep, temporary_folder
from kapbench.storage import move_into_place

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def replacement(place: Path) -> Iterator[Path]:
    """An empty folder to fill; it takes the place of `place` if nothing is raised meanwhile.

    Raises:
        OSError: the folder cannot be made or moved; the old one is still there.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    put_back(place)
    sweep(place.parent, ".site-")
    with temporary_folder(place.parent, ".site-") as scratch:
        new = scratch / "new"
        new.mkdir()
        yield new
        if hasattr(os, "sync"):
            os.sync()
        if not place.exists():
            move_into_place(new, place)
        elif not _exchange(new, place):
            place.replace(_aside(place))
            move_into_place(new, place)
            remove(_aside(place))


def put_back(place: Path) -> None:
    """Puts back the old folder where a process was killed before the new one was in its place."""
    aside = _aside(place)
    if not aside.exists():
        return
    if place.exists():
        remove(aside)
    else:
        aside.replace(place)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.before")


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two folders in one step; False where this system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):  # a C library from before 2018
        return False
    names = os.fsencode(one), os.fsencode(other)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # a file system that cannot
        return False
    raise OSError(number, os.strerror(number), str(other))
