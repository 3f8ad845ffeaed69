"""Opens regular files and nothing else: a named pipe or a device would be waited for."""

import errno
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

from kapbench.errors import nearest

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Windows has neither: it opens no pipe or device by a path in a folder.
_NOT_WAITING: int = os.O_NONBLOCK if os.name == "posix" else os.O_BINARY  # type: ignore[attr-defined,unused-ignore]
_NO_LINK: int = os.O_NOFOLLOW if os.name == "posix" else 0


class NotRegularError(OSError):
    """The path leads to something that is not a regular file."""


def open_regular(path: Path, *, follow_link: bool = True) -> BufferedReader:
    """A file opened for reading. What the path leads to is looked at once it is open.

    Raises:
        NotRegularError: a folder, a named pipe, a socket, a device, or a link that may not be followed.
        OSError: as of `Path.open`.
    """
    if not follow_link and path.is_symlink():
        raise NotRegularError("this is a link, not a file")
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOT_WAITING | (0 if follow_link else _NO_LINK))
    except OSError:
        _refuse(path.stat().st_mode)  # a socket cannot be opened: say that it is one
        raise
    try:
        _refuse(os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most_bytes: int | None = None, *, follow_link: bool = True) -> bytes:
    """The content of a regular file. Raises as `open_regular`, or OSError for more bytes."""
    with open_regular(path, follow_link=follow_link) as file:
        if most_bytes is None:
            return file.read()
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(f"it has more than {most_bytes:,} bytes")
    return content


def is_file(path: Path) -> bool:
    """Whether a regular file is there; False for a name that no file can have."""
    return _exists(path.is_file)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; False for a name that no folder can have."""
    return _exists(path.is_dir)


def nearest_files(path: Path) -> list[str]:
    """Files beside one that does not exist, of its suffix, whose names are spelt alike."""
    try:
        names = sorted(other.name for other in path.parent.iterdir() if other.suffix == path.suffix)
    except OSError:
        return []
    return [str(path.with_name(name)) for name in nearest(path.name, names)]


def _exists(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def refuse_irregular(path: Path) -> None:
    """For libraries that open a path themselves; raises as `open_regular`."""
    open_regular(path).close()


def _refuse(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((text for is_kind, text in _KINDS if is_kind(mode)), "no file")
        raise NotRegularError(f"this is {kind}, not a file")
