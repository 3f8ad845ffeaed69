"""The events of a process that change files: counted, or the one at which it is killed."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_CHANGES = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def describe(event: str, arguments: tuple[Any, ...], root: str) -> str | None:
    """An audit event in words, where it changes files below a folder: `os.rename old new`."""
    if event == "open":
        flags = arguments[2]
        if not isinstance(flags, int) or not flags & _WRITING:
            return None
        arguments = arguments[:1]
    elif event not in _CHANGES:
        return None
    texts = [os.fsdecode(p) for p in arguments if isinstance(p, str | bytes | os.PathLike)]
    inside = [t for t in texts if os.path.abspath(t).startswith(root)]  # noqa: PTH100  no event of its own
    return f"{event} {' '.join(os.path.relpath(t, root) for t in inside)}" if inside else None


def watch(root: Path, see: Callable[[int, str], None]) -> None:
    """From now on, `see` is told the number of every event, from 0, before it happens."""
    folder, number = str(root), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal number
        if (text := describe(event, arguments, folder)) is not None:
            number += 1
            see(number - 1, text)

    sys.addaudithook(hook)


def kill_at(root: Path, event: int, *, after: bool) -> None:
    """Kills this process before an event, or as soon as the event has happened."""

    def see(number: int, _: str) -> None:
        if number != event:
            return
        if not after:
            os.kill(os.getpid(), signal.SIGKILL)
        sys.setprofile(_kill_outside_of({see.__code__}))

    watch(root, see)


def _kill_outside_of(own: set[CodeType]) -> Callable[[FrameType, str, Any], None]:
    """The first call or return of other code comes when the event is over."""

    def profile(frame: FrameType, _: str, __: Any) -> None:
        if frame.f_code not in own and frame.f_code.co_filename != __file__:
            os.kill(os.getpid(), signal.SIGKILL)

    return profile
