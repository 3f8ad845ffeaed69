"""Linux namespaces: a user, process, mount and network world of its own for a jail. No root needed.

Each function says what it achieved, as every step may be forbidden on some system.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kapbench.processes.jail.protections import FILES, OUTLIVING, SIGNALS

_NEWNS, _NEWUTS, _NEWIPC = 0x20000, 0x4000000, 0x8000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
_PDEATHSIG, _SECUREBITS, _NO_NEW_PRIVS, _SUBREAPER = 1, 28, 38, 36
_NOROOT_LOCKED = 0b11  # the user 0 has no capabilities after exec, for good
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _RDONLY = 442, -100, 0x8000, 1  # of all architectures
_DEVICES_MEMORY, _HIDDEN_MEMORY = 1 << 28, 1 << 20
# Places through which services of this machine can be used, and places of secrets.
_COVERED = (
    "/run/docker.sock",
    "/run/containerd",
    "/run/podman",
    "/run/dbus",
    "/run/user",
    *(f"~/{name}" for name in (".ssh", ".aws", ".gnupg", ".netrc", ".docker", ".git-credentials")),
    "~/.config/gh",
    "~/.cache/huggingface/token",
    "~/.pypirc",
)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def enter(*, network: bool) -> bool:
    """Whether this process is in new namespaces now; its next child is process 1 of them."""
    if sys.platform != "linux":
        return False
    user, group = os.geteuid(), os.getegid()
    flags = _NEWUSER | _NEWPID | _NEWNS | _NEWIPC | _NEWUTS | (0 if network else _NEWNET)
    try:
        _call("unshare", flags)
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", "ascii")
    except OSError:
        return False
    return True


def end_with_parent() -> None:
    """This process is killed when its parent ends."""
    if sys.platform == "linux":
        _call("prctl", _PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Descendants whose parent ended become children of this process, so that it can end them."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            _call("prctl", _SUBREAPER, 1, 0, 0, 0)


def drop_privileges() -> None:
    """No capability, and none to be had from any program that is started."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # without namespaces there are no capabilities to drop
            _call("prctl", _SECUREBITS, _NOROOT_LOCKED, 0, 0, 0)
        _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)


def hide(hidden: Sequence[str], visible: Sequence[str], folder: str | None) -> None:
    """Covers folders with empty ones, and shows files and folders in them again.

    To be called before `close`, which makes the empty folders read-only.

    Args:
        folder: What must exist afterwards, be it empty.

    Raises:
        OSError: the system refuses it.
    """
    if not hidden:
        return
    _mount("none", "/", "", _REC | _PRIVATE)
    # Opened before they are covered: a descriptor still leads to what its path no longer does.
    opened = {place: os.open(place, os.O_PATH) for place in visible}
    for place in sorted({*hidden, *visible}, key=lambda name: (name.count("/"), name)):
        if place in hidden:
            if os.path.isdir(place):  # noqa: PTH112  not yet gone with a folder that holds it
                _memory(place, _HIDDEN_MEMORY)
        else:
            _make_place(place, is_folder=os.path.isdir(f"/proc/self/fd/{opened[place]}"))  # noqa: PTH112
            _mount(f"/proc/self/fd/{opened[place]}", place, "", _BIND | _REC)
    for descriptor in opened.values():
        os.close(descriptor)
    if folder is not None:
        _make_place(folder, is_folder=True)


def _make_place(place: str, *, is_folder: bool) -> None:
    """An empty file or folder to mount on, where there is none."""
    if not os.path.exists(place):  # noqa: PTH110
        os.makedirs(place if is_folder else os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
        if not is_folder:
            os.close(os.open(place, os.O_CREAT | os.O_CLOEXEC))


def close(folder: str | None, writable: Sequence[str], n_bytes: int) -> frozenset[str]:
    """Makes all files read-only but an empty folder in memory, and hides other processes.

    Args:
        folder: The empty folder; None: none.
        writable: Folders that stay as they are.
        n_bytes: Of all files in the empty folder.
    """
    achieved = {OUTLIVING}
    with contextlib.suppress(OSError):
        _mount("none", "/", "", _REC | _PRIVATE)
        _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
        # Of this user namespace alone: nobody in it makes further ones, with capabilities.
        Path("/proc/sys/user/max_user_namespaces").write_text("0", "ascii")
        achieved.add(SIGNALS)
    with contextlib.suppress(OSError):
        for kept in writable:
            _mount(kept, kept, "", _BIND | _REC)
        for place in _COVERED:
            _cover(os.path.expanduser(place))  # noqa: PTH111
        _read_only("/", is_read_only=True)
        for kept in writable:
            _read_only(kept, is_read_only=False)
        if folder is not None:
            _memory(folder, n_bytes)
        if os.path.isdir("/dev/shm"):  # noqa: S108, PTH112
            _memory("/dev/shm", _DEVICES_MEMORY)  # noqa: S108
        achieved.add(FILES)
    return frozenset(achieved)


def _cover(place: str) -> None:
    if os.path.isdir(place):  # noqa: PTH112
        _memory(place, 4096)
    elif os.path.exists(place):  # noqa: PTH110
        _mount("/dev/null", place, "", _BIND)


def _memory(place: str, n_bytes: int) -> None:
    about = f"size={n_bytes},nr_inodes=65536,mode=700"
    _mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, about)


def _mount(source: str, target: str, kind: str, flags: int, about: str = "") -> None:
    texts = (text.encode() or None for text in (source, target, kind))
    _call("mount", *texts, ctypes.c_ulong(flags), about.encode() or None)


def _read_only(place: str, *, is_read_only: bool) -> None:
    how = (_RDONLY, 0) if is_read_only else (0, _RDONLY)
    attributes = _MountAttributes(*how, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    words = (_AT_FDCWD, place.encode(), _AT_RECURSIVE, ctypes.byref(attributes), size)
    _call("syscall", ctypes.c_long(_MOUNT_SETATTR), *words)


def _call(name: str, *words: object) -> None:
    """A function of the C library. Raises OSError where it fails, and where there is none."""
    function = ctypes.CDLL(None, use_errno=True)[name]
    if function(*words) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
