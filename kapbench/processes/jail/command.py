"""The command that starts another command in a jail, and what a jail guards against on this system."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from kapbench.processes.jail.protections import PROTECTIONS

MEBI, GIBI = 2**20, 2**30
LAUNCHER = (sys.executable, "-P", "-m", "kapbench.processes.jail.launcher")
_PROBE_S = 30.0
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that all processes of a jail may use; None: as much as the system gives.

    Args:
        seconds: From start to end.
        cpu_seconds: Of computation, in each process.
        memory_bytes: In memory, of all processes together.
        address_bytes: Address space of each process, which is more than it has in memory.
        file_bytes: Of each file. In a folder of its own: of all files together.
        n_threads: Of all processes together; a process without threads counts as one.
        network: Whether there is one.
        writable: Folders that stay writable, besides the jail's own.
        hidden: Folders that are empty for the command. Where they cannot be hidden, it is not
            started: ask `isolation` first.
        visible: Files and folders that stay as they are although they lie in a hidden folder. Of
            folders one in the other, the innermost decides.
    """

    seconds: float | None = None
    cpu_seconds: int | None = None
    memory_bytes: int | None = 8 * GIBI
    address_bytes: int | None = None
    file_bytes: int = GIBI
    n_threads: int = 512
    network: bool = False
    writable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Isolation:
    """What this system enforces of `PROTECTIONS`."""

    enforced: frozenset[str]

    @property
    def missing(self) -> list[str]:
        """One sentence for each protection that this system does not offer."""
        return [text for name, text in PROTECTIONS.items() if name not in self.enforced]


def jailed_command(words: Sequence[str], folder: Path, limits: Limits) -> list[str]:
    """The command that runs `words` in a jail, with the standard streams of who starts it.

    It ends as `words` do: with the same status, or 128 plus the number of the signal. Every process
    that `words` started ends with it, and all of them end when the process that started it does.
    A limit that is exceeded ends it with status 124 and a sentence on standard error.

    Args:
        words: A command; a path in it is absolute.
        folder: An empty folder, in which the command starts. It is the only one that it may write
            to. Where the system allows it, this is a file system in memory: nothing in it remains.
    """
    settings = json.dumps({"folder": str(folder.resolve()), **asdict(limits)})
    return [*LAUNCHER, settings, *words]


def jail_environment(folder: Path) -> dict[str, str]:
    """Environment variables without secrets or places of the user: search path, language, folder."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    place = str(folder.resolve())
    own = {"HOME": place, "TMPDIR": place, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    return kept | own


@cache
def isolation(network: bool = False) -> Isolation:
    """Which protections a jail has on this system; found by starting one."""
    settings = json.dumps({"folder": None, **asdict(Limits(network=network))})
    try:
        done = subprocess.run(  # noqa: S603
            [*LAUNCHER, settings, "--probe"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_S,
            check=True,
        )
        return Isolation(frozenset(json.loads(done.stdout)))
    except (OSError, subprocess.SubprocessError, ValueError):
        return Isolation(frozenset())
