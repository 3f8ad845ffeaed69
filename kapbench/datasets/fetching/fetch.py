"""Fetches a data set, from its address or from a local archive, into the data root."""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kapbench import registry
from kapbench.datasets.fetching.archive import recover, unpack, unpack_in_place, was_stopped
from kapbench.datasets.fetching.download import PAUSES_S, TIMEOUT_S, download
from kapbench.datasets.fetching.extra_files import ExtraFiles
from kapbench.datasets.fetching.part import part_of
from kapbench.datasets.fetching.record import Record
from kapbench.datasets.fetching.sources import SOURCES, Source
from kapbench.datasets.reading import list_names
from kapbench.errors import KapbenchError
from kapbench.locks import Lock
from kapbench.processes.unfinished import sweep
from kapbench.protocols import Dataset
from kapbench.types import Coverage

Report = Callable[[str, int, int | None], None]  # step, done, total


@dataclass(frozen=True, slots=True)
class Fetched:
    """The data set at `folder`.

    `hash_from` says what the archive was checked against: "pinned", "recorded" (the hash of an
    earlier download), "first" (no hash was known: it is recorded now), or None where the data
    existed already and nothing was fetched.
    """

    folder: Path
    coverage: str
    sha256: str | None = None
    hash_from: str | None = None


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
        archive: A local file instead of a download; it is kept.
        files: Local extra files (lists of pairs); they are kept. Those in the root or beside the
            archive are found without this.

    Raises:
        KapbenchError: the folder is incomplete; the disk is full; the server fails; the archive is
            damaged, unsafe or of another hash; a data set that it needs is missing. No partial
            data are left.
    """
    if url is not None:
        source = replace(source, url=url)
    folder = root / source.folder
    if _occupied(folder) and not was_stopped(folder):
        return Fetched(folder, _complete(source, root))
    _check_beside(source, root)
    with _locked(source, root):
        _recover(source, root)
        if _occupied(folder):  # by another process meanwhile, or by one that was stopped at its end
            return Fetched(folder, _complete(source, root))
        own = archive is None
        get = partial(download, timeout_s=timeout_s, pauses_s=pauses_s)
        extra = ExtraFiles(source, root, files, archive, report, get)
        archive = archive or _download(source, root, report, get)
        try:
            sha256, hash_from = _check(archive, source, root, report)
            _unpack(archive, source, root, report, extra, (sha256, hash_from), own)
        except _ContentError:  # a complete download, which a newer kapbench may read
            raise
        except KapbenchError as error:
            if own and error.place == archive:  # the file is damaged: download it again next time
                archive.unlink(missing_ok=True)
            raise
        return Fetched(folder, str(_coverage(source, root)), sha256, hash_from)


def _recover(source: Source, root: Path) -> None:
    """Clears what a fetch that was killed left in the root."""
    archive = root / source.file_name
    recover(archive, root / source.folder)
    sweep(root)
    if archive.exists():  # complete
        part_of(archive).clear()


class _ContentError(KapbenchError):
    """The content of a complete archive cannot be read as the data set."""


def _check_beside(source: Source, root: Path) -> None:
    for other in (SOURCES[name] for name in source.beside):
        if not _occupied(root / other.folder):
            raise KapbenchError(
                f"{source.title} needs {other.title} beside it",
                place=root / other.folder,
                fix=f"Run `kapbench fetch {other.name}` first; nothing has been downloaded",
            )


def _unpack(
    archive: Path,
    source: Source,
    root: Path,
    report: Report,
    extra: ExtraFiles,
    checked: tuple[str, str],
    own: bool,
) -> None:
    """Unpacks the archive and adds the extra files.

    The record is written before the data are moved into place: no data are without one.

    Args:
        checked: The archive's SHA-256 and what it was checked against.
        own: Whether the archive was downloaded, and is removed.
    """
    sha256, hash_from = checked

    def complete(inside: Path) -> None:
        more = extra.put(inside / source.folder)
        _check_more(more, source, root)
        for name in source.unpacked_in_place:
            step = f"unpacking {name}"
            unpack_in_place(inside / source.folder / name, partial(report, step))
        for other in (SOURCES[name].folder for name in source.beside):
            (inside / other).symlink_to(root / other, target_is_directory=True)
        _check_content(archive, source, inside)
        if hash_from == "first":
            today = dt.datetime.now(dt.UTC).date().isoformat()
            address = source.url or source.page or ""
            Record(address, sha256, archive.stat().st_size, today, more).write(source, root)

    to, advance = root / source.folder, partial(report, "unpacking")
    unpack(archive, to, advance, check=complete, inner=source.inner, consumed=own)


def _download(source: Source, root: Path, report: Report, get: Callable[..., None]) -> Path:
    """Downloads the archive into the root; one that an interrupted run left there is used."""
    to = root / source.file_name
    if not to.exists():
        if source.url is None:
            raise KapbenchError(
                f"{source.title} cannot be fetched without a browser",
                place=source.page,
                fix=f"Download {source.file_name} there, then run `kapbench fetch {source.name} "
                f"--archive {source.file_name}`; or put its folder {source.folder} below {root}",
            )
        get(source.url, to, partial(report, "downloading"))
    return to


def _check(archive: Path, source: Source, root: Path, report: Report) -> tuple[str, str]:
    """The archive's SHA-256 and what it was checked against."""
    record = Record.read(source, root)
    actual = _sha256(archive, report)
    if source.sha256 is not None:
        expected, hash_from = source.sha256, "pinned"
        fix = "Fetch it again; if its makers have changed it, a newer kapbench may know it"
    elif record is not None:
        expected, hash_from = record.sha256, "recorded"
        fix = (
            f"Fetch it again; to accept another archive than that of {record.date}, remove "
            f"{Record.path(source, root)}"
        )
    else:
        return actual, "first"
    if actual != expected:
        raise KapbenchError(
            f"The SHA-256 of the archive is {actual}, not the {hash_from} {expected}",
            place=archive,
            fix=fix,
        )
    return actual, hash_from


def _check_more(hashes: dict[str, str], source: Source, root: Path) -> None:
    """KapbenchError where an extra file differs from that of the first download."""
    record = Record.read(source, root)
    for name, sha256 in hashes.items():
        if record is not None and record.more.get(name, sha256) != sha256:
            raise KapbenchError(
                f"{name} differs from that of {record.date}: SHA-256 {sha256}, recorded "
                f"{record.more[name]}",
                place=Record.path(source, root),
                fix="Remove that file to accept the next download as the first",
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
    return folder.exists() and (not folder.is_dir() or bool(list_names(folder)))


def _coverage(source: Source, root: Path) -> Coverage:
    name, options = source.opens or source.name, dict(source.options)
    dataset: Dataset = registry.create("datasets", name, {"root": root}, options)
    return dataset.coverage


def _check_content(archive: Path, source: Source, root: Path) -> None:
    """KapbenchError where the unpacked files cannot be read as the data set."""
    try:
        _coverage(source, root)
    except KapbenchError as error:
        raise _ContentError(
            f"The archive does not contain {source.title}. {error.thing}",
            place=archive,
            fix="Check that it is the right archive. It is kept: remove it to fetch it again",
        ) from error


def _complete(source: Source, root: Path) -> str:
    """Coverage of the folder, in words. KapbenchError where the data set is not complete."""
    folder = root / source.folder
    try:
        coverage = _coverage(source, root)
        what = None if coverage.complete else str(coverage)
    except KapbenchError as error:
        what = error.thing
    if what is not None:
        raise KapbenchError(
            f"{source.folder} exists already, but is not complete: {what}",
            place=folder,
            fix=f"Use it as it is, or move {folder} away and run the command again",
        )
    return str(coverage)


@contextmanager
def _locked(source: Source, root: Path) -> Iterator[None]:
    """Prevents two fetches of the same data set at once."""
    lock = Lock(
        root / f".{source.folder}.lock",
        f"Another process is fetching {source.title}",
        root / f".{source.folder}.lock",
        "Wait until it is done. If its machine has stopped, remove that lock file and its .owner",
    )
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock.held())
        except OSError as error:
            raise KapbenchError(
                f"The data root cannot be written: {error.strerror or error}",
                place=root,
                fix="Give a folder that you may write to (--data-root or KAPBENCH_DATA)",
            ) from error
        yield
