"""SHA-256 of the files of a folder, computed once and remembered by size, times and inode.

What is remembered lies in the cache folder, one JSON file a folder: `hashes/<hash of its path>.json`.
A file is hashed anew as soon as its device, inode, size, time of change or time of the inode's change
(which no program can set) is another, and always where it was written less than two seconds before it
was hashed: a second write could then have the same times. A file that is missing or damaged only
costs time. Processes that write it at once replace each other's, each of which is right.
"""

import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.paths import cache_root
from kapbench.storage import bytes_hash, file_hash, write_atomically
from kapbench.untrusted.strict_text import json_value

FOLDER = "hashes"
_SETTLED_NS = 2 * 10**9  # the coarsest clock of a file system
_THREADS = 4

_Remembered = dict[str, tuple[list[int], str]]  # path below the folder → state, hash


def folder_hashes(folder: Path, names: Sequence[str], *, again: bool = False) -> dict[str, str]:
    """SHA-256 (64 digits) of each file, by its name.

    Args:
        names: Paths below the folder; links are followed.
        again: Hash every file, whatever is remembered.

    Raises:
        OSError: a file cannot be read.
    """
    folder = folder.resolve()
    place = cache_root() / FOLDER / f"{bytes_hash([os.fsencode(folder)])[:16]}.json"
    known = {} if again else _read(place)
    states = {name: _state(folder / name) for name in names}
    hashes = {
        name: known[name][1] for name in names if name in known and known[name][0] == states[name]
    }
    missing = [name for name in names if name not in hashes]
    if not missing:
        return hashes
    now = time.time_ns()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="kapbench-hash") as pool:
        hashes |= zip(
            missing, pool.map(file_hash, [folder / name for name in missing]), strict=True
        )
    _remember(place, folder, {n: (states[n], hashes[n]) for n in names if _settled(states[n], now)})
    return hashes


def remembered_hash(path: Path) -> str:
    """SHA-256 of one file (64 digits), remembered like those of a folder. Raises OSError."""
    return folder_hashes(path.parent, [path.name])[path.name]


def _state(path: Path) -> list[int]:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is not a regular file")
    times = [status.st_mtime_ns, status.st_ctime_ns]
    return [status.st_dev, status.st_ino, status.st_size, *times]


def _settled(state: list[int], now_ns: int) -> bool:
    return max(state[3:]) < now_ns - _SETTLED_NS


def _read(place: Path) -> _Remembered:
    try:
        files = json_value(place.read_bytes())["files"]
        return {
            name: (list(map(int, state)), str(digest)) for name, (state, digest) in files.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _remember(place: Path, folder: Path, hashes: Mapping[str, tuple[list[int], str]]) -> None:
    content = {"folder": str(folder), "files": {**_read(place), **hashes}}
    try:
        write_atomically(place, json.dumps(content).encode("utf-8", "replace"))
    except KapbenchError:  # a cache that may only be read: hashed again next time
        return
