"""Named pipes, sockets, devices, folders and links in the place of files: nothing waits for them."""

import itertools
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from campaign.case import Case, Outcome, command
from campaign.hostile_files.entries import GIB, SECONDS, place_entry, place_run, refused

_OF_ENTRY = (
    ["submit", "check", "results"],
    ["submit", "adapters", "results"],
    ["site", "--results", "results", "-o", "s"],
)
_COMPARE = ["compare", "results"]
_OF_RUN = (["show", "report", "random", "-o", "p"], ["compare"], ["list", "runs"])


def cases() -> Iterator[Case]:
    """The controls come first: each command, on regular files."""
    for words in (*_OF_ENTRY, _COMPARE):
        yield Case(f"irregular: control, {' '.join(words[:2])}", partial(_accepted, words))
    for words in _OF_RUN:
        yield Case(f"irregular: control, {' '.join(words[:2])}", partial(_accepted, words))
    for suffix, (name, make) in itertools.product((".json", ".parquet", ".safetensors"), _KINDS):
        for words in (*_OF_ENTRY, _COMPARE):
            title = f"irregular: {name} as {suffix}, {' '.join(words[:2])}"
            yield Case(title, partial(_of_entry, suffix, make, words))
    for file, (name, make) in itertools.product(("run.json", "records.parquet"), _KINDS):
        for words in _OF_RUN:
            title = f"irregular: {name} as {file}, {' '.join(words[:2])}"
            yield Case(title, partial(_of_run, file, make, words))
    for name, make in _KINDS:
        for file in ("encoder.json", f"{'0' * 32}.safetensors"):
            yield Case(f"irregular: {name} in the cache", partial(_of_cache, file, make))


def _accepted(words: list[str], folder: Path) -> str | None:
    """What is wrong where all files are what they should be."""
    place_entry(folder) if words in (*_OF_ENTRY, _COMPARE) else place_run(folder)
    outcome = command(words, folder, seconds=SECONDS, memory_gib=GIB)
    return outcome.crash or (None if outcome.status == 0 else (outcome.output + outcome.errors))


def _of_entry(
    suffix: str, make: Callable[[Path], None], words: list[str], folder: Path
) -> str | None:
    _replace(place_entry(folder).with_suffix(suffix), make)
    outcome = command(words, folder, seconds=SECONDS, memory_gib=GIB)
    return refused(outcome) if words[1] == "check" else _crash(outcome)


def _of_run(file: str, make: Callable[[Path], None], words: list[str], folder: Path) -> str | None:
    _replace(place_run(folder) / file, make)
    return _crash(command(words, folder, seconds=SECONDS, memory_gib=GIB))


def _of_cache(file: str, make: Callable[[Path], None], folder: Path) -> str | None:
    features = folder / "cache" / "features" / "0123456789abcdef"
    features.mkdir(parents=True)
    make(features / file)
    for words in (["cache", "ls"], ["cache", "verify"]):
        crash = command(words, folder, seconds=SECONDS).crash
        if crash is not None:
            return crash
    return None


def _crash(outcome: Outcome) -> str | None:
    """A status of 2 is a mistake of this module: the command has no such option."""
    return outcome.crash or (outcome.errors[-300:] if outcome.status == 2 else None)


def _replace(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket has at most 107 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def _far_file(path: Path) -> None:
    far = path.with_name("far-away")
    shutil.copy(__file__, far)
    path.symlink_to(far)


_KINDS: list[tuple[str, Callable[[Path], None]]] = [
    ("a named pipe", os.mkfifo),
    ("a link to a device", lambda path: path.symlink_to("/dev/zero")),
    ("a socket", _socket),
    ("a folder", Path.mkdir),
    ("a link to itself", lambda path: path.symlink_to(path.name)),
    ("a link to another file", _far_file),
]
