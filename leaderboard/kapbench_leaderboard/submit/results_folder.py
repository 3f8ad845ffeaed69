"""What lies in a folder of results: entries and their files, stray files, accepted files."""

import hashlib
import os
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.untrusted.regular_files import open_regular
from kapbench_leaderboard.entries.schema import (
    ADAPTERS,
    Entry,
    adapter_path,
    adapters_folder,
    find_entries,
    records_path,
    resamples_path,
)

REPOSITORY = ("leaderboard", "results")  # last parts of the place of all results in a repository


@dataclass(frozen=True)
class Accepted:
    """Files of a git revision that are unchanged, and those that were changed or removed."""

    same: frozenset[Path]
    changed: tuple[str, ...]

    def holds(self, entry: Path, content: Entry) -> bool:
        """Whether an entry and all its files are accepted and unchanged."""
        return all(path in self.same for path in files_of(entry, content))


NOTHING = Accepted(frozenset(), ())


def entries_at(root: Path) -> list[Path]:
    """An entry, or all below a folder.

    Raises:
        KapbenchError: there is none.
    """
    entries = [root] if root.suffix == ".json" else find_entries(root)
    if not entries:
        raise KapbenchError(
            "There are no entries" if root.exists() else "The path does not exist",
            place=root,
            fix="Give the .json of an entry, or a folder of results",
        )
    return entries


def files_of(entry: Path, content: Entry | None) -> list[Path]:
    """The files of an entry; of one that cannot be read, all that it may have."""
    elsewhere = content is not None and content.records.url is not None
    adapter = None if content is None else adapter_path(entry, content)
    return [
        entry,
        *([] if elsewhere else [records_path(entry)]),
        resamples_path(entry),
        *([] if adapter is None else [adapter]),
    ]


def stray_files(root: Path, entries: Mapping[Path, Entry | None]) -> Iterator[str]:
    """Files below a folder that no entry names, and links, which may lead anywhere.

    If the folder is that of all results, the adapters are looked through too. One that no entry
    names is stray only in a repository's own layout, `leaderboard/results`: elsewhere it may be of
    another folder of results. Beside an entry that cannot be read, it may be that entry's.
    """
    known = {path for entry, content in entries.items() for path in files_of(entry, content)}
    yield from _links_and_unknown(root, known)
    results = root.resolve()
    if results_of(root, entries) == results:
        adapters = adapters_folder(root)
        if adapters.is_symlink():
            yield f"{adapters}: this is a link, not a file"
        owns_all = results.parts[-2:] == REPOSITORY and None not in entries.values()
        yield from _links_and_unknown(adapters, known if owns_all else None)


def _links_and_unknown(root: Path, known: Collection[Path] | None) -> Iterator[str]:
    """Below a folder; `known` None: no file is unknown."""
    for folder, folders, names in os.walk(root):
        for name in sorted([*folders, *names]):
            path = Path(folder, name)
            if path.is_symlink():
                yield f"{path}: this is a link, not a file"
            elif known is not None and name in names and path not in known:
                yield f"{path}: this file belongs to no entry"


def results_of(root: Path, entries: Iterable[Path]) -> Path:
    """The folder of all results: an entry lies three levels below it."""
    here = root.resolve()
    depth = max((len(path.relative_to(root).parts) for path in entries), default=3)
    return [here, *here.parents][: 4 - min(3, depth)][-1]


def accepted(root: Path, base: str) -> Accepted:
    """Compares the files below a folder, or of one entry, with those of a git revision.

    Raises:
        KapbenchError: no git repository, or no such revision.
    """
    folder = root if root.is_dir() else root.parent
    same, changed = [], []
    for name, kind, digest in _tree(folder, base):
        path = folder / name
        if folder != root and path.with_suffix("") != root.with_suffix(""):
            continue
        if kind == "blob" and not path.is_symlink() and _is_blob(path, digest):
            same.append(path)
        else:
            changed.append(str(path))
    results = results_of(root, entries_at(root))
    for name, kind, digest in _tree(results.parent, base, f"{ADAPTERS}/"):
        path = results.parent / name
        if kind == "blob" and not path.is_symlink() and _is_blob(path, digest):
            same.append(path)
        elif (
            results == root.resolve()
        ):  # in a part of the results, the entry that names it reports it
            changed.append(str(path))
    return Accepted(frozenset(same), tuple(changed))


def _tree(folder: Path, base: str, *below: str) -> Iterator[Sequence[str]]:
    """Name below the folder, kind and hash of all that a revision has there, or below a part."""
    if base.startswith("-"):
        raise KapbenchError(
            "This is not a git revision", place=base, fix="Give a commit, a branch or a tag"
        )
    command = ["git", "-C", str(folder), "ls-tree", "-r", "-z", base, "--", *below]
    try:
        # The revision comes from the maintainer's command line; no shell sees it.
        listing = subprocess.run(command, capture_output=True, timeout=60, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise KapbenchError(
            f"The folder cannot be compared with git revision {base!r}",
            place=folder,
            fix="Fetch the revision first",
        ) from error
    for line in os.fsdecode(listing.stdout).split("\0")[:-1]:
        about, _, name = line.partition("\t")
        _, kind, digest = about.split(" ")
        yield name, kind, digest


def _is_blob(path: Path, digest: str) -> bool:
    """Whether git would name a file's bytes by this hash."""
    try:
        with open_regular(path, follow_link=False) as file:
            made = hashlib.new("sha256" if len(digest) == 64 else "sha1", usedforsecurity=False)
            made.update(f"blob {os.fstat(file.fileno()).st_size}\0".encode())
            while chunk := file.read(1 << 20):
                made.update(chunk)
    except OSError:
        return False
    return made.hexdigest() == digest
