"""A data set as an archive, `kapbench fetch` of it, and what must come of that."""

import io
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import tiny_spair
from misbehaving_server import Server

from campaign.case import Outcome, python

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
