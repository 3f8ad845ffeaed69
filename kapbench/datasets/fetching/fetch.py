"""From a source's address, or a file at hand, to a data set below the data root."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from kapbench import registry
from kapbench.datasets.fetching.archive import unpack
from kapbench.datasets.fetching.download import PAUSES_S, TIMEOUT_S, download
from kapbench.datasets.fetching.extra_files import Further
from kapbench.datasets.fetching.sources import SOURCES, Source
from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset
from kapbench.storage import write_atomically
from kapbench.types import Coverage

Report = Callable[[str, int, int | None], None]  # what is being done, how far, of how much


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is at `folder` now.

    `hash_from` says against what the archive was checked: "pinned", "recorded" (the hash of an
    earlier download), "first" (there was nothing to check against: it is recorded now), or None
    where the data were there already and nothing was fetched.
    """

    folder: Path
    coverage: str
    sha256: str | None = None
    hash_from: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What was fetched first: kept beside the data, and checked from then on."""

    url: str
    sha256: str
    size: int
    date: str
    more: dict[str, str] = field(default_factory=dict)  # SHA-256 of the further files

    @classmethod
    def path(cls, source: Source, root: Path) -> Path:
        return root / f"{source.folder}.source.json"

    @classmethod
    def read(cls, source: Source, root: Path) -> "Record | None":
        """Raises KapbenchError where there is one that cannot be understood."""
        path = cls.path(source, root)
        if not path.exists():
            return None
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise KapbenchError(
                f"the record of the first download cannot be read: {error}",
                place=path,
                fix="remove it to accept what is fetched next as the first",
            ) from error

    def write(self, source: Source, root: Path) -> None:
        write_atomically(
            self.path(source, root), (json.dumps(asdict(self), indent=1) + "\n").encode()
        )


def fetch(
    source: Source,
    root: Path,
    report: Report,
    *,
    url: str | None = None,
    archive: Path | None = None,
    files: Sequence[Path] = (),
    timeout_s: float = TIMEOUT_S,
    pauses_s: tuple[float, ...] = PAUSES_S,
) -> Fetched:
    """Downloads, checks and unpacks; does nothing where the data set is complete already.

    Args:
        url: Another address than the source's own.
        archive: A local file instead of a download; it is left where it is.
        files: Local further files (a list of pairs), by their names; they are left too. Those that
            lie in the root or beside the archive need not be given.

    Raises:
        KapbenchError: data that are there but incomplete; no room; a server that fails; an
            archive that is damaged, unsafe or not what its hash says; another data set that must
            lie beside it and does not. Nothing is left half-written.
    """
    if url is not None:
        source = replace(source, url=url)
    folder = root / source.folder
    if _occupied(folder):
        return Fetched(folder, _complete(source, root))
    _check_beside(source, root)
    with _alone(source, root):
        if _occupied(folder):  # since a moment ago
            return Fetched(folder, _complete(source, root))
        own = archive is None
        further = Further(source, root, files, archive, report, timeout_s, pauses_s)
        archive = archive or _download(source, root, report, timeout_s, pauses_s)
        try:
            sha256, hash_from = _check(archive, source, root, report)
            more = _unpack(archive, source, root, report, further)
        except _ContentError:  # a whole download, which a newer kapbench may read
            raise
        except KapbenchError as error:
            if own and error.place == archive:  # what is wrong is the file: fetch it anew next time
                archive.unlink(missing_ok=True)
            raise
        if hash_from == "first":
            today = dt.datetime.now(dt.UTC).date().isoformat()
            said = source.url or source.page or ""
            Record(said, sha256, archive.stat().st_size, today, more).write(source, root)
        if own:
            archive.unlink()
        return Fetched(folder, str(_coverage(source, root)), sha256, hash_from)


class _ContentError(KapbenchError):
    """What a whole archive holds cannot be read as the data set."""


def _check_beside(source: Source, root: Path) -> None:
    for other in (SOURCES[name] for name in source.beside):
        if not _occupied(root / other.folder):
            raise KapbenchError(
                f"{source.title} needs {other.title} beside it",
                place=root / other.folder,
                fix=f"`kapbench fetch {other.name}` first; nothing has been downloaded",
            )


def _unpack(
    archive: Path, source: Source, root: Path, report: Report, further: Further
) -> dict[str, str]:
    """Puts the archive's files in place, and the further ones beside them: their SHA-256."""
    more: dict[str, str] = {}

    def complete(inside: Path) -> None:
        more.update(further.put(inside / source.folder))
        _check_more(more, source, root)
        for other in (SOURCES[name].folder for name in source.beside):
            (inside / other).symlink_to(root / other, target_is_directory=True)
        _check_content(archive, source, inside)

    folder = root / source.folder
    unpack(archive, folder, lambda done, total: report("unpacking", done, total), check=complete)
    return more


def _download(
    source: Source, root: Path, report: Report, timeout_s: float, pauses_s: tuple[float, ...]
) -> Path:
    """The archive below the root; one that an interrupted run has left there is used."""
    to = root / source.file_name
    if not to.exists():
        if source.url is None:
            raise KapbenchError(
                f"{source.title} cannot be fetched without a browser",
                place=source.page,
                fix=f"download {source.file_name} there, then `kapbench fetch {source.name} "
                f"--archive {source.file_name}`; or put its folder {source.folder} below {root}",
            )
        download(
            source.url,
            to,
            lambda done, total: report("downloading", done, total),
            timeout_s=timeout_s,
            pauses_s=pauses_s,
        )
    return to


def _check(archive: Path, source: Source, root: Path, report: Report) -> tuple[str, str]:
    """The archive's sha256 and what it was held against."""
    record = Record.read(source, root)
    found = _sha256(archive, report)
    if source.sha256 is not None:
        expected, hash_from = source.sha256, "pinned"
        fix = "fetch it again; if its makers have changed it, a newer kapbench may know it"
    elif record is not None:
        expected, hash_from = record.sha256, "recorded"
        fix = (
            f"fetch it again; to accept another than that of {record.date}, remove "
            f"{Record.path(source, root)}"
        )
    else:
        return found, "first"
    if found != expected:
        raise KapbenchError(
            f"the archive is not what it should be: sha256 {found}, {hash_from} {expected}",
            place=archive,
            fix=fix,
        )
    return found, hash_from


def _check_more(found: dict[str, str], source: Source, root: Path) -> None:
    """Raises KapbenchError where a further file is not what it was at the first download."""
    record = Record.read(source, root)
    for name, sha256 in found.items():
        if record is not None and record.more.get(name, sha256) != sha256:
            raise KapbenchError(
                f"{name} is not what it was on {record.date}: sha256 {sha256}, recorded "
                f"{record.more[name]}",
                place=Record.path(source, root),
                fix="remove that file to accept what is fetched next as the first",
            )


def _sha256(path: Path, report: Report) -> str:
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            done += len(chunk)
            report("checking", done, total)
    return digest.hexdigest()


def _occupied(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _coverage(source: Source, root: Path) -> Coverage:
    name, options = source.opens or source.name, dict(source.options)
    dataset: Dataset = registry.create("datasets", name, {"root": root}, options)
    return dataset.coverage


def _check_content(archive: Path, source: Source, root: Path) -> None:
    """Raises KapbenchError where what was unpacked cannot be read as the data set."""
    try:
        _coverage(source, root)
    except KapbenchError as error:
        raise _ContentError(
            f"the archive does not hold {source.title}: {error.thing}",
            place=archive,
            fix="is it the archive of another data set? It is kept: remove it to fetch it again",
        ) from error


def _complete(source: Source, root: Path) -> str:
    """What the folder holds, in words. Raises KapbenchError where it is not all of the data set."""
    folder = root / source.folder
    try:
        coverage = _coverage(source, root)
        what = None if coverage.complete else str(coverage)
    except KapbenchError as error:
        what = error.thing
    if what is not None:
        raise KapbenchError(
            f"{source.folder} is there already, but not all of it: {what}",
            place=folder,
            fix=f"use it as it is, or move {folder} away and run the command again",
        )
    return str(coverage)


@contextmanager
def _alone(source: Source, root: Path) -> Iterator[None]:
    """Keeps a second fetch of the same data set out."""
    lock = FileLock(root / f".{source.folder}.lock", timeout=0)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise KapbenchError(
            f"{source.title} is being fetched already", place=root, fix="wait until that is done"
        ) from error
    except OSError as error:
        raise KapbenchError(
            f"the data root cannot be written: {error.strerror or error}",
            place=root,
            fix="give a folder that you may write to (--data-root or KAPBENCH_DATA)",
        ) from error
    try:
        yield
    finally:
        lock.release()
