"""Files and folders that a text or a path names, by their content.

Hashes of folders and of large files are remembered: see `kapbench.file_hashes`.
"""

import os
from pathlib import Path, PurePath

from kapbench.file_hashes import folder_hashes, remembered_hash
from kapbench.storage import file_hash

_LONGEST_PATH = 4096
_MOST_BYTES = 1 << 28  # hashes of larger files are remembered
_MOST_ENTRIES = 100_000  # a folder that holds more is not read
# The system writes what is in the first, all the time; the second hold the files of everybody.
_WRITTEN_BY_SYSTEM = tuple(map(Path, ("/proc", "/sys")))
_IN_ROOT = {
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib64",
    "media",
    "mnt",
    "opt",
    "root",
    "run",
}
_IN_ROOT |= {"sbin", "srv", "tmp", "usr", "usr/bin", "usr/lib", "usr/local", "usr/share", "var"}
_OF_EVERYBODY = frozenset(Path("/", name) for name in _IN_ROOT)


class UnknownContentError(Exception):
    """A value whose content cannot be read; the message names its type."""


def named_content(value: str | PurePath) -> tuple[str, ...]:
    """What a value counts by: a kind and texts.

    An existing file counts by its content, a folder by the names and contents of all files below it.
    Folders in which no model's own files lie, such as /, /sys and /tmp, count as the text they are.

    Raises:
        UnknownContentError: a folder holds more than 100,000 files, or one that cannot be read.
    """
    path = os.fspath(value)
    if len(path) > _LONGEST_PATH or "\0" in path:
        return "text", path
    try:
        is_file = os.path.isfile(path)  # noqa: PTH113  most texts are no paths; this is the quickest
        may_be_folder = isinstance(value, PurePath) or os.sep in path
        is_folder = not is_file and may_be_folder and os.path.isdir(path)  # noqa: PTH112
        if (is_file or is_folder) and not _is_of_system(path):
            return ("file", _file(Path(path))) if is_file else ("folder", *_contents(path))
    except OSError:  # it may not be read
        pass
    return "text", path


def _is_of_system(name: str) -> bool:
    """Whether a path is the system's, and leads to no file of a model: its content says nothing."""
    path = Path(name).resolve()
    if path in {path.parent, Path(os.path.expanduser("~"))} | _OF_EVERYBODY:  # noqa: PTH111
        return True
    return any(path.is_relative_to(folder) for folder in _WRITTEN_BY_SYSTEM)


def _file(path: Path) -> str:
    return remembered_hash(path) if path.stat().st_size > _MOST_BYTES else file_hash(path)


def _contents(folder: str) -> list[str]:
    """Name and hash of all files below a folder; links are followed."""
    names: list[str] = []
    lines: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]  # Python's own, any time
        below = os.path.relpath(parent, folder)
        lines.append(below)
        for name in files:
            path = Path(below, name)
            if Path(folder, path).is_file():
                names.append(str(path))
            else:  # a pipe, or a link to nothing
                lines.append(f"{path} is no file")
        if len(lines) + len(names) + len(folders) > _MOST_ENTRIES:
            raise UnknownContentError(f"a folder of more than {_MOST_ENTRIES:,} files, {folder}")
    try:
        hashes = folder_hashes(Path(folder), names)
    except OSError as error:
        raise UnknownContentError(f"a folder with a file that cannot be read, {folder}") from error
    return sorted([*lines, *(f"{name} {digest}" for name, digest in hashes.items())])
