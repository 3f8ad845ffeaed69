"""File systems: without locks, full, only to be read, out of open files, with odd names."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

from campaign.case import Case, command
from campaign.systems.worlds import (
    RUN,
    after,
    can_mount,
    mounted,
    plain,
    read_only,
    refused,
    result,
    resumes,
    right,
    score,
)

NO_FLOCK = """
import errno, fcntl
def flock(*_): raise OSError(errno.{name}, "No locks available")
fcntl.flock = flock
"""
IMPORTED = "import kapbench.cli, kapbench.running.run, kapbench.features.match\n"
LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_{what}, ({number}, {number}))
"""


def without_locks(draw: random.Random) -> Iterator[Case]:
    """The file system has no flock: another kind of lock serves, and the user is told."""
    for name in draw.sample(["ENOLCK", "EOPNOTSUPP", "ENOSYS"], 3):

        def check(folder: Path, name: str = name) -> str | None:
            words = [word for word in RUN if word != "-q"]
            done = after(NO_FLOCK.format(name=name), words, folder)
            if (wrong := right(done, folder)) is not None:
                return wrong
            return None if "lock" in done.errors else "the user is not told"

        yield Case(f"no flock: {name}", check)


def only_to_be_read(draw: random.Random) -> Iterator[Case]:
    """A finished run in a folder that cannot be written is shown by every command that reads."""
    commands = {
        "run": RUN,
        "list": ("list", "runs"),
        "compare": ("compare",),
        "cache ls": ("cache", "ls", "--cache", "cache"),
        "show": ("show", "report", "colours", "--output", "/mnt"),
    }
    for name, words in commands.items() if can_mount() else ():

        def check(folder: Path, words: tuple[str, ...] = words) -> str | None:
            if (wrong := right(score(folder), folder)) is not None:
                return wrong
            room = "mount -t tmpfs none /mnt"  # for what `show` writes
            done = mounted(f"{read_only(folder)} && {room}", words, folder)
            return None if done.status == 0 else f"status {done.status}: {done.errors[-300:]}"

        yield Case(f"read-only: {name}", check)

    def fresh(folder: Path) -> str | None:
        return resumes(mounted(read_only(folder), RUN, folder), folder, "read-only")

    if can_mount():
        yield Case("read-only: a fresh run", fresh)


def full_disks(draw: random.Random) -> Iterator[Case]:
    """A disk that is full, or a file that may not grow: an error in words; the command resumes."""
    for n_bytes in draw.sample([512, 2048, 6000, 20_000], 4):

        def check(folder: Path, n_bytes: int = n_bytes) -> str | None:
            done = after(LIMIT.format(what="FSIZE", number=n_bytes), RUN, folder)
            return plain(done) or right(score(folder), folder)

        yield Case(f"file size limit: {n_bytes}", check)
    for n_pages in draw.sample([2, 8, 12, 16], 4) if can_mount() else ():

        def small(folder: Path, n_pages: int = n_pages) -> str | None:
            (folder / "runs").mkdir()
            place = folder / "runs"
            line = f"mount -t tmpfs -o size={4 * n_pages}k none {place}"
            return resumes(mounted(line, RUN, folder), folder, "space")

        yield Case(f"full disk: {4 * n_pages} kB", small)


def open_files(draw: random.Random) -> Iterator[Case]:
    """Few open files are allowed: the run ends well, or with an error in words."""
    for number in draw.sample([8, 12, 16, 24, 40], 5):

        def check(folder: Path, number: int = number) -> str | None:
            done = after(IMPORTED + LIMIT.format(what="NOFILE", number=number), RUN, folder)
            return plain(done) or right(score(folder), folder)

        yield Case(f"open files: {number}", check)


def odd_names(draw: random.Random) -> Iterator[Case]:
    """Folders whose names are not UTF-8, are long, or hold spaces and quotation marks."""
    names = ["caf\udce9", "a b'\"c", "-q", "\U0001f41f", "ab\nc"]
    for name in draw.sample(names, len(names)):
        for option in ("--runs", "--cache"):

            def check(folder: Path, name: str = name, option: str = option) -> str | None:
                words = list(RUN)
                words[words.index(option) + 1] = f"./{name}"
                done = command(words, folder)
                if done.crash is not None or done.status not in (0, 1):
                    return done.crash or f"status {done.status}"
                return result(folder) if option == "--cache" and done.status == 0 else None

            yield Case(f"odd name: {option} {name!r}", check)

        def listed(folder: Path, name: str = name) -> str | None:
            (folder / name).mkdir()
            wrong = right(score(folder), folder)
            os.rename(folder / "runs", folder / name / "runs")  # noqa: PTH104
            done = command(["list", "runs", "--runs", f"./{name}/runs"], folder)
            return wrong or plain(done)

        yield Case(f"odd name: list runs below {name!r}", listed)


def places(draw: random.Random) -> Iterator[Case]:
    """Folders where a file is, and files where a folder is."""
    for option in draw.sample(["--runs", "--cache"], 2):

        def check(folder: Path, option: str = option) -> str | None:
            (folder / "file").write_text("x")
            words = list(RUN)
            words[words.index(option) + 1] = "file/below"
            return refused(command(words, folder), "file/below")

        yield Case(f"a file in the way: {option}", check)
