"""Locks of one writer each: the system's own, or a file where there is none; both say who holds it.

Beside a lock `NAME` lies `NAME.owner` while it is held: process, host, time and command.
"""

import contextlib
import errno
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.processes.owners import Process, host_name, this_process
from kapbench.processes.unfinished import unfinished_name
from kapbench.storage import write_atomically
from kapbench.untrusted.strict_text import json_value

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_PAUSE_S = 0.1
_SYSTEM, _FILE = "system", "file"
NO_SYSTEM_LOCK = (
    "note: This file system has no file locks. The file {file} stands for one while this command "
    "writes; if this machine stops suddenly, the file stays, and the next command names it."
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock. `kind`: "system", or "file" where the file system has no locks."""

    process: str
    host: str
    since: str
    command: str
    kind: str

    @classmethod
    def this(cls, kind: str) -> "Owner":
        now = datetime.now(UTC).isoformat(timespec="seconds")
        command = shlex.join([Path(sys.argv[0] or "python").name, *sys.argv[1:]])
        return cls(str(this_process()), host_name(), now, command[:500], kind)

    @property
    def gone(self) -> bool | None:
        """As of `Process`."""
        process = Process.parse(self.process)
        return None if process is None else process.gone

    def __str__(self) -> str:
        process = Process.parse(self.process)
        number = "of unknown number" if process is None else str(process.pid)
        return f"process {number} on {self.host}, since {self.since}: {self.command}"


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file and what is said where another process holds it.

    Args:
        path: The lock file.
        busy: What the other process does, as a sentence.
        place: What it does that to.
        fix: What to do about it.
    """

    path: Path
    busy: str
    place: Path
    fix: str

    @contextmanager
    def held(
        self,
        *,
        wait: bool = False,
        steal: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> Iterator[None]:
        """Holds the lock. A lock whose process has ended on this host is taken over.

        Args:
            wait: Wait until it is free.
            steal: Take it from a process of which it is not known whether it has ended.
            say: Gets a note where the file system has no locks.

        Raises:
            KapbenchError: another process holds it; names that process.
            OSError: the lock file cannot be written.
        """
        while (release := self._try(steal)) is None:
            if not wait:
                raise self._error()
            time.sleep(_PAUSE_S)
        if release is _nothing:
            say(NO_SYSTEM_LOCK.format(file=self._owner_file))
        mine = str(this_process())
        try:
            yield
        finally:
            owner = _read(self._owner_file)
            if owner is not None and owner.process == mine:  # it may have been stolen
                with contextlib.suppress(OSError):
                    self._owner_file.unlink(missing_ok=True)
            release()

    @property
    def _owner_file(self) -> Path:
        return owner_file(self.path)

    def _error(self) -> KapbenchError:
        owner = _read(self._owner_file)
        who = "" if owner is None else f": {owner}"
        return KapbenchError(f"{self.busy}{who}", place=self.place, fix=self.fix)

    def _try(self, steal: bool) -> Callable[[], None] | None:
        """What releases the lock, which this process holds now; None: another process holds it."""
        try:
            release = _lock(self.path)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return self._try_file(steal)
        if release is None:
            # Held, but perhaps by an orphan of the owner, or by a host that is gone.
            owner = _read(self._owner_file)
            free = steal if owner is None else _may_take(owner, steal)
            return self._replace(owner, steal) if free else None
        try:
            owner = _read(self._owner_file)
            if owner is not None and owner.kind == _FILE and not _may_take(owner, steal):
                release()
                return None
            with contextlib.suppress(KapbenchError):  # the lock counts; the file says whose it is
                content = json.dumps(asdict(Owner.this(_SYSTEM))).encode()
                write_atomically(self._owner_file, content, durable=False)
        except BaseException:  # Ctrl-C
            release()
            raise
        return release

    def _replace(self, judged: Owner | None, steal: bool) -> Callable[[], None] | None:
        """Puts a new lock file in the place of one whose holder does not count."""
        aside = self.path.with_name(unfinished_name())
        try:
            self.path.replace(aside)
        except OSError:  # another process was first, or the file is open on Windows
            return None
        if _read(self._owner_file) != judged:  # somebody else took it over meanwhile
            _put_back(aside, self.path)
            return None
        with contextlib.suppress(OSError):
            self._owner_file.unlink(missing_ok=True)
            aside.unlink()
        return self._try(steal)

    def _try_file(self, steal: bool) -> Callable[[], None] | None:
        """As `_try`, by a file that only one process can make."""
        path = self._owner_file
        if path.exists():
            judged = _read(path)
            if not (steal if judged is None else _may_take(judged, steal)):
                return None
            aside = path.with_name(unfinished_name())
            with contextlib.suppress(FileNotFoundError):
                path.replace(aside)
                if _read(aside) != judged:  # somebody else took it over meanwhile
                    _put_back(aside, path)
                    return None
                aside.unlink()
        content = json.dumps(asdict(Owner.this(_FILE))).encode()
        return _nothing if _make(path, content) else None


def owner_file(lock: Path) -> Path:
    """Where it stands who holds a lock."""
    return lock.with_name(f"{lock.name}.owner")


def _may_take(owner: Owner, steal: bool) -> bool:
    return owner.gone is True or (steal and owner.gone is None)


def _nothing() -> None:
    """Releases a lock that is a file, which is removed already."""


def _read(path: Path) -> Owner | None:
    try:
        content = {k: str(v) for k, v in json_value(path.read_bytes()).items()}
        return Owner(**content)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _make(path: Path, content: bytes) -> bool:
    """Makes a file with its whole content at once; whether it was not there before."""
    temporary = path.with_name(unfinished_name())
    temporary.write_bytes(content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _put_back(aside: Path, path: Path) -> None:
    with contextlib.suppress(OSError):
        os.link(aside, path)
    with contextlib.suppress(OSError):
        aside.unlink()


def _lock(path: Path) -> Callable[[], None] | None:
    """Takes the system's lock of a file; returns what releases it. None: it is held.

    Raises:
        OSError: the file cannot be opened, or its file system has no locks.
    """
    if sys.platform == "win32":
        from filelock import FileLock, Timeout

        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock.release
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_open_at(descriptor, path):
            return partial(os.close, descriptor)
        os.close(descriptor)  # it was replaced between the two calls


def _is_open_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
