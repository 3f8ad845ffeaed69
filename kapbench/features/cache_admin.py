"""What lies in a cache folder, by who made it; checking it, and making room in it."""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.features.cache import SIGNATURE, SUFFIX, FeatureCache


@dataclass(frozen=True, slots=True)
class Item:
    """One file that can be removed alone: what needs it makes it again."""

    path: Path
    group: str  # features/<fingerprint of the encoder>, or another folder of the cache
    n_bytes: int
    used: float  # seconds since 1970: last written, or found whole by a run


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one encoder, or of one training's preparation."""

    group: str
    maker: str
    n_files: int
    n_bytes: int
    used: float


def items(root: Path) -> Iterator[Item]:
    """Cached tensors below a cache folder; renderings are no such, and not touched."""
    for folder in sorted(p for p in _listed(root) if p.is_dir()):
        groups = _listed(folder) if folder.name == "features" else [folder]
        for group in sorted(groups):
            name = str(group.relative_to(root))
            for path in _tensors(group):
                with contextlib.suppress(FileNotFoundError):  # another process removed it
                    seen = path.stat()
                    yield Item(path, name, seen.st_size, seen.st_mtime)


def groups(root: Path) -> list[Group]:
    """Largest first."""
    found: dict[str, list[Item]] = {}
    for item in items(root):
        found.setdefault(item.group, []).append(item)
    made = [
        Group(
            name,
            _maker(root / name),
            len(own),
            sum(i.n_bytes for i in own),
            max(i.used for i in own),
        )
        for name, own in found.items()
    ]
    return sorted(made, key=lambda g: (-g.n_bytes, g.group))


def damaged(found: Iterable[Item], advance: Callable[[int], None]) -> Iterator[Path]:
    """Features that are not what was written. Other files have no hash, and are passed over."""
    for item in found:
        root, _, encoder = item.group.partition("/")
        if root == "features":
            above = item.path.parents[2]
            if FeatureCache(above, encoder).verify(item.path.stem, touch=False) is False:
                yield item.path
        advance(1)


def to_evict(found: Iterable[Item], limit: int) -> list[Item]:
    """The least recently used, as many as must go for the rest to take `limit` bytes at most."""
    oldest_first = sorted(found, key=lambda i: (i.used, str(i.path)))
    excess = sum(i.n_bytes for i in oldest_first) - limit
    gone: list[Item] = []
    for item in oldest_first:
        if excess <= 0:
            break
        gone.append(item)
        excess -= item.n_bytes
    return gone


def remove(path: Path) -> None:
    """KapbenchError where it cannot be removed; that it is gone already is no error."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise KapbenchError(f"cannot remove: {error.strerror or error}", place=path) from error


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise KapbenchError(f"cannot read: {error.strerror or error}", place=folder) from error


def _tensors(folder: Path) -> Iterator[Path]:
    for parent, names, files in os.walk(folder):
        names.sort()
        yield from (Path(parent, name) for name in sorted(files) if name.endswith(SUFFIX))


def _maker(folder: Path) -> str:
    if folder.parent.name != "features":
        return f"kapbench train: {folder.name}"
    try:
        signed = json.loads((folder / SIGNATURE).read_text(encoding="utf-8"))
        return f"{signed['model']}@{str(signed['revision'])[:12]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
