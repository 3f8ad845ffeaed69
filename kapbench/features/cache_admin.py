"""The contents of a cache folder by their maker: listing, checking and evicting them."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError, unknown
from kapbench.features.cache import ISOLATED, SIGNATURE, SUFFIX, FeatureCache
from kapbench.processes.unfinished import SCRATCH, UNFINISHED, abandoned, scratch_root
from kapbench.untrusted.regular_files import read_regular
from kapbench.untrusted.strict_text import json_value

LEFT_OVER = "left over"  # the group of what killed processes left half-written


@dataclass(frozen=True, slots=True)
class Item:
    """One file that can be removed alone: whoever needs it makes it again."""

    path: Path
    group: str  # features/<fingerprint of the encoder>, or another folder of the cache
    n_bytes: int
    used: float  # seconds since 1970: last written, or verified by a run; see `items`
    is_over_backbone: bool = False  # of a model that makes them from a backbone's features


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one encoder, or of one training's preparation."""

    group: str
    maker: str
    n_files: int
    n_bytes: int
    used: float
    serves: tuple[str, ...] = ()  # models that are made from these features


def items(root: Path) -> Iterator[Item]:
    """Cached tensors below a cache folder; rendered images are left out and never touched.

    Features of a backbone count as used when those of a model over it are: without them, that
    model's could not be made again without encoding.
    """
    files = list(_files(root))
    newest: dict[str, float] = {}
    for item in files:
        newest[item.group] = max(newest.get(item.group, 0), item.used)
    over = {group: _backbones(root / group) for group in newest}
    needed: dict[str, float] = {}
    for group, backbones in over.items():
        for name in backbones:
            needed[name] = max(needed.get(name, 0), newest[group])
    for item in files:
        used = max(item.used, needed.get(item.group, 0))
        yield replace(item, used=used, is_over_backbone=bool(over[item.group]))


def _files(root: Path) -> Iterator[Item]:
    for folder in sorted(p for p in _listed(root) if p.is_dir() and not p.name.startswith(".")):
        folders = _listed(folder) if folder.name == "features" else [folder]
        for group in sorted(folders):
            name = str(group.relative_to(root))
            for path in _tensors(group):
                with contextlib.suppress(FileNotFoundError):  # another process removed it
                    status = path.stat()
                    yield Item(path, name, status.st_size, status.st_mtime)


def groups(root: Path) -> list[Group]:
    """Largest first."""
    by_name: dict[str, list[Item]] = {}
    for item in (*items(root), *left_over(root)):
        by_name.setdefault(item.group, []).append(item)
    named = []
    for name, files in by_name.items():
        n_bytes, used = sum(i.n_bytes for i in files), max(i.used for i in files)
        maker, serves = _maker(root / name), _serves(root / name)
        named.append(Group(name, maker, len(files), n_bytes, used, serves))
    return sorted(named, key=lambda g: (-g.n_bytes, g.group))


def damaged(items: Iterable[Item], advance: Callable[[int], None]) -> Iterator[Path]:
    """Features that differ from what was written. Other files have no hash and are skipped."""
    for item in items:
        root, _, encoder = item.group.partition("/")
        if root == "features":
            above = item.path.parents[2]
            if FeatureCache(above, encoder).verify(item.path.stem, touch=False) is False:
                yield item.path
        advance(1)


def to_evict(items: Iterable[Item], limit: int) -> list[Item]:
    """The least recently used files whose removal leaves at most `limit` bytes.

    Of equal age, those that are made from a backbone's features go before these.
    """
    oldest_first = sorted(items, key=lambda i: (i.used, not i.is_over_backbone, str(i.path)))
    excess = sum(i.n_bytes for i in oldest_first) - limit
    evicted: list[Item] = []
    for item in oldest_first:
        if excess <= 0:
            break
        evicted.append(item)
        excess -= item.n_bytes
    return evicted


def of_model(root: Path, name: str) -> list[Item]:
    """Files of a model's features.

    Args:
        name: NAME for all of its revisions, or NAME@REVISION, of which the first digits suffice.

    Raises:
        KapbenchError: the cache holds no features of this name or revision.
    """
    by_group: dict[str, list[Item]] = {}
    for item in items(root):
        by_group.setdefault(item.group, []).append(item)
    folders = (path.parent for path in _signatures(root))
    groups_signed = {f"features/{folder.name}": _signed(folder) for folder in folders}
    signed = {group: owner for group, owner in groups_signed.items() if group in by_group}
    model, at, revision = name.rpartition("@") if "@" in name else (name, "", "")
    chosen = {
        group
        for group, owner in signed.items()
        if owner is not None and owner[0] == model and (not at or owner[1].startswith(revision))
    }
    if not chosen:
        known = {f"{o[0]}@{o[1][:12]}" if at else o[0] for o in signed.values() if o is not None}
        raise unknown("model in the cache", name, known, place=root)
    return [item for group in sorted(chosen) for item in by_group[group]]


def remove(path: Path) -> None:
    """KapbenchError if the file cannot be removed; a missing file is not an error."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise KapbenchError(
            f"The file cannot be removed: {error.strerror or error}", place=path
        ) from error


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise KapbenchError(
            f"The folder cannot be read: {error.strerror or error}", place=folder
        ) from error


def _tensors(folder: Path) -> Iterator[Path]:
    for parent, names, files in os.walk(folder):
        names.sort()
        yield from (Path(parent, name) for name in sorted(files) if name.endswith(SUFFIX))


def left_over(root: Path) -> list[Item]:
    """Temporary files and folders of processes that are gone, in a cache and in TMPDIR.

    The next command that writes beside them removes them as well.
    """
    places: list[tuple[Path, str]] = [(scratch_root(), SCRATCH)]
    for parent, folders, _ in os.walk(root):
        folders[:] = [name for name in sorted(folders) if not name.startswith(".")]
        places += [(Path(parent), UNFINISHED), (Path(parent), ".rendering-")]
    paths = [path for folder, prefix in places for path in abandoned(folder, prefix)]
    return [Item(path, LEFT_OVER, *_extent(path)) for path in paths]


def _extent(path: Path) -> tuple[int, float]:
    """Bytes of a file, or of all files in a folder, and when the newest was written."""
    n_bytes, newest = 0, 0.0
    for place in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):
            status = place.lstat()
            n_bytes += 0 if place.is_dir() else status.st_size
            newest = max(newest, status.st_mtime)
    return n_bytes, newest


def _maker(folder: Path) -> str:
    if folder.name == LEFT_OVER:
        return "interrupted commands (`kapbench cache evict` removes it)"
    if folder.parent.name != "features":
        return f"kapbench train: {folder.name}"
    owner = _signed(folder)
    if owner is None:
        return "unknown"
    isolated = " (isolated)" if owner[1].endswith(ISOLATED) else ""
    return f"{owner[0]}@{owner[1][:12]}{isolated}"


def _signatures(root: Path) -> list[Path]:
    return sorted((root / "features").glob(f"*/{SIGNATURE}"))


def _signed(folder: Path) -> tuple[str, str] | None:
    """Name and revision of the encoder whose features a folder holds."""
    signature = _signature(folder)
    try:
        return str(signature["model"]), str(signature["revision"])
    except KeyError:
        return None


def _backbones(folder: Path) -> tuple[str, ...]:
    """Groups of the features that a folder's were made from."""
    return tuple(f"features/{name}" for name in _texts(_signature(folder).get("backbones")))


def _serves(folder: Path) -> tuple[str, ...]:
    return _texts(_signature(folder).get("serves"))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _signature(folder: Path) -> dict[str, Any]:
    """What `FeatureCache.sign` wrote; empty where there is none."""
    try:
        signed = json_value(read_regular(folder / SIGNATURE))
    except (OSError, ValueError):
        return {}
    return signed if isinstance(signed, dict) else {}
