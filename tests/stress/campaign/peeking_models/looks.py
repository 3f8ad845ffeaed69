"""Ways to look for the annotations, each in one place: position of the keypoints of a picture, or None.

The text of this file and of answers.py is the adapter of a case, so neither imports the campaign.
"""

import ctypes
import gc
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kapbench.types import Picture

_MOST_KEYPOINTS = 64
_SOURCE = ("source_image", "source_x", "source_y")
LOOK_FOR = "@LOOK_FOR@"  # x of an annotation as 16 hexadecimal digits, reversed; set by a case
CARRIED = "@CARRIED@"  # annotations by image_id that come with the model; set by a case


class LeakError(BaseException):
    """The model could read what it must not: its run fails, and the message says what it was."""


def stack(picture: Picture) -> np.ndarray | None:
    """Local variables of the functions that called the model."""
    frame = sys._getframe()
    while frame is not None:
        for value in frame.f_locals.values():
            for item in value if isinstance(value, list | tuple) else [value]:
                if (xy := _annotation(item, picture)) is not None:
                    return xy
        frame = frame.f_back
    return None


def garbage(picture: Picture) -> np.ndarray | None:
    """Every object that Python's collector knows."""
    return next((xy for o in gc.get_objects() if (xy := _annotation(o, picture)) is not None), None)


def _annotation(item: Any, picture: Picture) -> np.ndarray | None:
    if type(item).__name__ not in ("Pair", "View"):
        return None
    for view in [item.source, item.target] if type(item).__name__ == "Pair" else [item]:
        if type(view).__name__ == "View" and view.image_id == picture.image_id:
            return np.asarray(view.keypoints.xy)
    return None


def files(picture: Picture) -> np.ndarray | None:
    """The data set's own files, wherever one may guess them."""
    for folder in _folders():
        if (xy := _in_split(folder, picture)) is not None:
            return xy
    return None


def folder_of_command(picture: Picture) -> np.ndarray | None:
    """The data set's files below the folders that the evaluator's process names."""
    folders: list[Path] = []
    for process in (Path(f"/proc/{pid}") for pid in _others()):
        words = "\0".join([_text(process / "environ"), _text(process / "cmdline")])
        folders += map(Path, re.findall(r"(?:^|=|\0)(/[^\0:=]+)", words))
        folders += [process / "cwd", process / "cwd" / "cache"]
    splits = (path for folder in folders for path in _paths(folder, "synthetic/*/annotations.json"))
    return next((xy for p in splits if (xy := _in_split(p.parent, picture)) is not None), None)


def environment(picture: Picture) -> np.ndarray | None:
    """The data set's files in the folders that the model's own environment names."""
    for folder in map(Path, {v for v in os.environ.values() if v.startswith("/")}):
        for path in _paths(folder, "synthetic/*/annotations.json"):
            if (xy := _in_split(path.parent, picture)) is not None:
                return xy
    return None


def descriptors(picture: Picture) -> np.ndarray | None:
    """Files and folders that the process has inherited open."""
    for link in _paths(Path("/proc/self/fd"), "*"):
        for path in [link, *_paths(link, "synthetic/*/annotations.json")]:
            if path.is_file() and path.stat().st_size and path.resolve().suffix == ".json":
                xy = _in_split(path.resolve().parent, picture)
                if xy is not None:
                    return xy
    return None


def records(picture: Picture) -> np.ndarray | None:
    """Records of finished runs, which hold where the keypoints are."""
    import pandas as pd

    for folder in _start_folders():
        for path in _paths(folder, "runs/**/records.parquet"):
            table = pd.read_parquet(path)
            for image, x, y in (("target_image", "target_x", "target_y"), _SOURCE):
                own = table[table[image].astype(str) == picture.image_id]
                if len(own):
                    xy = np.full((_MOST_KEYPOINTS, 2), np.nan)
                    xy[own["keypoint"].to_numpy()] = own[[x, y]].to_numpy()
                    return xy
    return None


def image_ids(picture: Picture) -> np.ndarray | None:
    """Annotations that the model has brought along, by the name of the image."""
    xy = json.loads(CARRIED).get(picture.image_id) if CARRIED.startswith("{") else None
    return None if xy is None else np.array(xy, np.float64)


def parent_memory(_: Picture) -> None:
    """The evaluator's memory, by way of /proc."""
    for pid in _others():
        try:
            with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
                _search(pid, lambda a, n, m=memory: os.pread(m.fileno(), n, a))
        except OSError:
            continue


def ptrace(_: Picture) -> None:
    """The evaluator's memory, by the system calls for debuggers."""
    libc = ctypes.CDLL(None, use_errno=True)

    class Span(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    for pid in _others():

        def read(address: int, n: int, pid: int = pid) -> bytes:
            buffer = ctypes.create_string_buffer(n)
            own = Span(ctypes.cast(buffer, ctypes.c_void_p), n)
            n_read = libc.process_vm_readv(
                pid, ctypes.byref(own), 1, ctypes.byref(Span(address, n)), 1, 0
            )
            if n_read < 0:
                raise OSError(ctypes.get_errno(), "process_vm_readv")
            return buffer.raw[:n_read]

        try:
            _search(pid, read)
        except OSError:
            continue


def escape(picture: Picture) -> np.ndarray | None:
    """The data set's files after undoing what hides them: mounts, root and namespaces."""
    for folder in _uncovered():
        if (xy := _in_split(folder, picture)) is not None:
            return xy
    return files(picture)


@cache
def _uncovered() -> list[Path]:
    if _is_evaluator():  # nothing is hidden, and these are the mounts of the machine
        return []
    libc = ctypes.CDLL(None)
    for path in [line.split()[4] for line in _text(Path("/proc/self/mountinfo")).splitlines()]:
        if path.strip("/").partition("/")[0] not in ("", "proc", "sys", "dev"):
            libc.umount2(path.encode(), 2)
    for kind in ("mnt", "pid", "user"):
        for pid in ("1", str(os.getppid())):
            try:
                libc.setns(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), 0)
            except OSError:
                continue
    folders = {*_start_folders(), *_folders()}
    roots = (Path(f"/proc/{os.getppid()}/root"), Path("/proc/1/root"))
    return [root / str(folder).lstrip("/") for root in roots for folder in folders]


def _is_evaluator() -> bool:
    return "kapbench.running.run" in sys.modules


def _others() -> list[int]:
    """The evaluator's process, where it is this one, and the three that started this one."""
    pids, pid = [os.getpid()] if _is_evaluator() else [], os.getppid()
    while pid and len(pids) < 4:
        pids.append(pid)
        fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        pid = int(fields[1]) if fields else 0
    return pids


def _search(pid: int, read: Callable[[int, int], bytes]) -> None:
    pattern = bytes.fromhex(LOOK_FOR)[::-1]
    for line in _text(Path(f"/proc/{pid}/maps")).splitlines():
        span, rights, *_ = line.split()
        start, end = (int(n, 16) for n in span.split("-"))
        if rights.startswith("rw") and "[v" not in line and end - start < 2**29:
            try:
                content = read(start, end - start)
            except OSError:
                continue
            if (at := content.find(pattern)) >= 0:
                y = np.frombuffer(content[at + 8 : at + 16], np.float64)
                raise LeakError(f"an annotation was read in process {pid}: y is {y}")


def _start_folders() -> Iterator[Path]:
    here, home = Path.cwd(), Path.home()
    named = [Path(v) for v in os.environ.values() if v.startswith("/")]
    own = Path(__file__).resolve().parent
    yield from (here, *here.parents, own, *own.parents, home, home / ".cache/kapbench", *named)
    for temporary in {"/tmp", "/var/tmp", os.environ.get("TMPDIR", "/tmp")}:
        yield from _paths(Path(temporary), "kapbench*")
        yield from _paths(Path(temporary), "kapbench*/*")


@cache
def _folders() -> list[Path]:
    patterns = ("synthetic/*/annotations.json", "cache/synthetic/*/annotations.json")
    folders = set(_start_folders())
    return [p.parent for folder in folders for name in patterns for p in _paths(folder, name)]


def _in_split(folder: Path, picture: Picture) -> np.ndarray | None:
    try:
        content = json.loads((folder / "annotations.json").read_text())
        for entry in content["images"]:
            if tuple(entry["size"]) == picture.size:
                pixels = np.asarray(Image.open(folder / "images" / f"{entry['image_id']}.png"))
                if np.array_equal(pixels, picture.pixels):
                    return np.array([p or [np.nan, np.nan] for p in entry["keypoints"]], np.float64)
    except (OSError, ValueError):
        return None
    return None


def _paths(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
