"""Archives that should not be unpacked."""

import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from misbehaving_server import Server

from campaign.case import Case
from campaign.servers.fetching import (
    FOLDER,
    archive,
    fetch,
    fetch_in_the_end,
    files,
    outcome,
    packed,
)

DANGEROUS = ("a file twice", "outside", "absolute", "a bomb", "a device", "a symbolic link")


def archives(draw: random.Random) -> Iterator[Case]:
    """Members that lead outside, are no files, unfold without end, or hide one another."""
    made: dict[str, Callable[[], bytes]] = {
        "a file twice": lambda: packed([member(files()[3][0], b"{}")]),
        "outside": lambda: packed([member("../outside", b"x")]),
        "absolute": lambda: packed([member("/tmp/kapbench-outside", b"x")]),
        "outside below the folder": lambda: packed([member(f"{FOLDER}/../../outside", b"x")]),
        "a symbolic link": lambda: packed([link(f"{FOLDER}/x", "/etc")], first=True),
        "a hard link": lambda: packed([link(f"{FOLDER}/x", "/etc/passwd", tarfile.LNKTYPE)]),
        "a device": lambda: packed([link(f"{FOLDER}/x", "", tarfile.CHRTYPE)]),
        "a pipe": lambda: packed([link(f"{FOLDER}/x", "", tarfile.FIFOTYPE)]),
        "a file as a folder": lambda: packed([member(f"{files()[0][0]}/x", b"x")]),
        "a bomb": bomb,
        "a bomb behind the end": lambda: archive() + gzipped_zeros(),
        "a zip without the data": lambda: zipped("x", b"x"),
        "a zip that leads outside": lambda: zipped(f"{FOLDER}/../../outside", b"x"),
        "half of an archive": lambda: archive()[: len(archive()) // 2],
        "no archive": lambda: b"<html>Not found</html>",
        "empty": lambda: b"",
        "a name of 5,000 letters": lambda: packed([member(f"{FOLDER}/{'a' * 5000}", b"x")]),
        "a name that is not UTF-8": lambda: packed([member(f"{FOLDER}/\udcff", b"x")]),
        "annotations that are none": lambda: packed([member(files()[0][0], b"[" * 99_999)]),
    }
    for name in (*list(made)[:1], "a bomb behind the end", *draw.sample(list(made), len(made))):

        def check(folder: Path, name: str = name) -> str | None:
            with Server(made[name]()) as server:
                done = fetch(server, folder)
                wrong = outcome(done, folder)
                if wrong is not None:
                    return wrong
            if done.status == 0:
                return "no error" if name.startswith(DANGEROUS) else None
            with Server(archive()) as server:
                return fetch_in_the_end(server, folder)

        yield Case(f"archive: {name}", check)


def member(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info, b""


def gzipped_zeros(gib: int = 24) -> bytes:
    """Some MB that unfold to many GB, as members of gzip."""
    return gzip.compress(bytes(1 << 28), 9) * (gib * 4)


def bomb() -> bytes:
    """A member that says it has 2 GB, which its archive has, squeezed."""
    info = tarfile.TarInfo(f"{FOLDER}/zeros")
    info.size = 8 << 30
    return archive()[:0] + gzip.compress(info.tobuf()) + gzipped_zeros(8)


def zipped(name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive_of_zip:
        archive_of_zip.writestr(name, content)
    return made.getvalue()
