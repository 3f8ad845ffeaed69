"""Servers that drip, lie, redirect and change their mind, and archives that should not be unpacked.

A fetch ends with the right bytes, or with an error in words and nothing half-written; a second fetch,
from a server that behaves, ends with the right bytes.
"""

import io
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import tiny_spair
from misbehaving_server import Server

from campaign.case import Case, Outcome, python

DANGEROUS = ("a file twice", "outside", "absolute", "a bomb", "a device", "a symbolic link")
NAME, SHORT, FULL = "servers", 5, 110
FOLDER = "SPair-71k"
PATIENCE_S, SECONDS = 60.0, 180.0  # on a machine that does other work as well
# `kapbench fetch`, with short pauses and, from servers that misbehave, little patience.
FETCH = """
import sys
from kapbench.datasets.fetching import download, fetch
for each in (download.download, fetch.fetch):
    each.__kwdefaults__.update(timeout_s={seconds}, pauses_s=(0.0, 0.0, 0.0))
download.SLOWEST_S, download.SLOWEST_BYTES, download.HEADERS_S = {seconds}, 2000, 2 * {seconds}
sys.argv[0] = "kapbench"
from kapbench.cli import main
main()
"""


@cache
def files() -> tuple[tuple[str, bytes], ...]:
    """Names and content of a whole data set."""
    with tempfile.TemporaryDirectory() as name:
        folder = tiny_spair.make(Path(name))
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        return tuple((str(p.relative_to(folder.parent)), p.read_bytes()) for p in paths)


@cache
def archive() -> bytes:
    """The data set as its makers' server has it."""
    return packed([])


def packed(more: list[tuple[tarfile.TarInfo, bytes]], *, first: bool = False) -> bytes:
    """The data set and more members as a .tar.gz file."""
    whole = [(tarfile.TarInfo(name), content) for name, content in files()]
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for info, content in [*more, *whole] if first else [*whole, *more]:
            info.size = info.size or len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def fetch(server: Server, folder: Path, patience_s: float = 1.0) -> Outcome:
    words = ["fetch", "spair", "--url", server.url, "--data-root", "data"]
    return python(["-c", FETCH.format(seconds=patience_s), *words], folder, SECONDS)


def fetch_in_the_end(server: Server, folder: Path) -> str | None:
    """None where a fetch from a server that behaves by now brings the data."""
    done = fetch(server, folder, PATIENCE_S)
    if (wrong := outcome(done, folder)) is not None:
        return wrong
    return None if done.status == 0 else f"the second fetch failed: {done.errors[-300:]}"


def unpacked(folder: Path) -> str | None:
    """What is wrong with the data; None where they are there to the byte, with their record."""
    root = folder / "data"
    for name, content in files():
        if not (root / name).is_file() or (root / name).read_bytes() != content:
            return f"{name} is missing or another"
    number = sum(p.is_file() for p in (root / FOLDER).rglob("*"))
    if number != len(files()):
        return f"{number} files instead of {len(files())}"
    expected = {FOLDER, f"{FOLDER}.source.json", f".{FOLDER}.lock"}
    extra = {p.name for p in root.iterdir()} ^ expected
    return f"missing or left over: {sorted(extra)}" if extra else None


def outcome(done: Outcome, folder: Path) -> str | None:
    """None where a fetch brought the data, or was refused and left none."""
    if done.crash is not None:
        return done.crash
    if done.status == 0:
        return unpacked(folder)
    if done.status != 1 or "Error: " not in done.errors:
        return f"status {done.status}: {done.errors[-300:]}"
    outside = [p.name for p in folder.iterdir() if p.name not in ("data", "cache")]
    if outside:
        return f"written outside: {outside}"
    return "data in spite of an error" if (folder / "data" / FOLDER).exists() else None


@dataclass(frozen=True, slots=True)
class Attack:
    """How a server misbehaves: faults of its answers in turn, and attributes of the server."""

    name: str
    faults: tuple[str, ...] = ()
    server: Mapping[str, object] = field(default_factory=dict)
    must_fail: bool = False

    def case(self) -> Case:
        return Case(self.name, self.check)

    def check(self, folder: Path) -> str | None:
        with Server(archive()) as server:
            server.faults = list(self.faults)
            for name, value in self.server.items():
                setattr(server, name, value)
            done = fetch(server, folder)
            wrong = outcome(done, folder)
            if wrong is None and self.must_fail and done.status == 0:
                wrong = "no error"
            if wrong is not None or done.status == 0:
                return wrong
        with Server(archive()) as server:
            return fetch_in_the_end(server, folder)


def transfers(draw: random.Random) -> Iterator[Case]:
    """Every fault alone, then several in a row."""
    n = len(archive())
    kinds = [
        *("short", "long", "ranged", "silent", "garbage", "gzip", "multipart", "huge-length"),
        *(f"status:{s}" for s in (500, 503, 429, 404, 204, 304, 416, 206)),
        *(f"{kind}:{draw.randrange(n)}" for kind in ("truncate", "stall", "drip", "flip") * 2),
        *("drip-headers", "drip:0", "truncate:0", "no-length", "chunked-cut"),
    ]
    draw.shuffle(kinds)
    kinds.sort(key=lambda kind: kind not in ("drip:0", "drip-headers"))
    for kind in kinds:
        yield Attack(f"always: {kind}", (kind,) * 50).case()
        yield Attack(f"once: {kind}", (kind,)).case()
    while True:
        row = tuple(draw.choice(kinds) for _ in range(draw.randrange(2, 5)))
        yield Attack(f"in a row: {', '.join(row)}", row).case()


TAGS = ('"caf\u00e9"', '"\u00ff\u00fe"', "", '"', "W/", '"a" "b"', "x" * 7000, '"\t"', "W/\u00e9")


def tags(draw: random.Random) -> Iterator[Case]:
    """Tags and dates that no later request can repeat, in a transfer that is cut."""
    for tag in (TAGS[0], *draw.sample(TAGS[1:], len(TAGS) - 1)):
        cut = (f"truncate:{len(archive()) // 2}",) * 2
        yield Attack(f"ETag {tag[:20]!r}", cut, {"etag": tag}).case()
        modified = {"etag": None, "modified": tag}
        yield Attack(f"Last-Modified {tag[:20]!r}", cut, modified).case()


def changes(draw: random.Random) -> Iterator[Case]:
    """The file changes between two tries; the server heeds If-Range or not, and tags or not."""
    for tagged in (True, False):
        for heeds in (False, True):

            def check(folder: Path, tagged: bool = tagged, heeds: bool = heeds) -> str | None:
                other = bytes(len(archive()))
                with Server(other, heeds_if_range=heeds) as server:
                    server.faults = [f"truncate:{len(other) // 3}"] + ["status:500"] * 9
                    first = fetch(server, folder)
                    wrong = outcome(first, folder)
                    if wrong is not None or first.status == 0:
                        return wrong or "no error"
                    server.content, server.faults = archive(), []
                    server.etag = '"two"' if tagged else None
                    done = fetch(server, folder, PATIENCE_S)
                    if done.status == 0:
                        return outcome(done, folder)
                    # Nothing but the archive itself shows the change.
                    return fetch_in_the_end(server, folder)

            yield Case(f"changed content, tag {tagged}, If-Range {heeds}", check)


def redirects(draw: random.Random) -> Iterator[Case]:
    for to in ("/archive", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://[", "//"):
        yield Attack(f"redirect to {to}", (), {"redirect_to": to}, must_fail=True).case()


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
    import gzip

    return gzip.compress(bytes(1 << 28), 9) * (gib * 4)


def bomb() -> bytes:
    """A member that says it has 2 GB, which its archive has, squeezed."""
    import gzip

    info = tarfile.TarInfo(f"{FOLDER}/zeros")
    info.size = 8 << 30
    return archive()[:0] + gzip.compress(info.tobuf()) + gzipped_zeros(8)


def zipped(name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive_of_zip:
        archive_of_zip.writestr(name, content)
    return made.getvalue()


def cases(seed: int) -> Iterator[Case]:
    """One of each family in turn, for as long as there are transfers."""
    draw = random.Random(seed)
    rows = [family(draw) for family in (transfers, tags, changes, redirects, archives)]
    while True:
        for row in rows:
            yield from (case for case in (next(row, None),) if case is not None)
