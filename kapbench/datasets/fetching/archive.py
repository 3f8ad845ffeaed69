"""Unpacks archives safely: checked whole before a byte is written, moved into place when done."""

import errno
import gzip
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from kapbench.errors import KapbenchError
from kapbench.paths import is_system_file
from kapbench.storage import move_into_place

Report = Callable[[int, int | None], None]  # files unpacked, files in total
MOST_MEMBERS = 2_000_000
MOST_EXPANSION = 20  # unpacked bytes for each byte of an archive
BRANCHES = ("main", "master")  # suffixes of the top folder of a repository's archive
_ARCHIVE = ".archive"  # beside the unpacked folder, just before that is moved into place
_MOST_BEHIND = 1 << 26  # bytes of padding
_FREE_EXPANSION = 1 << 30  # small archives of text expand more
FREE_DISK = "Free disk space or choose another --data-root, then run the command again"
_ODD_NAMES = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ}
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,  # a zip compression that Python lacks
)


class Member(NamedTuple):
    name: str
    size: int
    kind: str  # "file", "folder" or another kind, e.g. "link"


def unpack(
    archive: Path,
    folder: Path,
    report: Report,
    check: Callable[[Path], None] = lambda _: None,
    inner: str | None = None,
    *,
    consumed: bool = False,
) -> None:
    """Unpacks the top folder `folder.name` of a tar or zip archive to `folder`.

    The top folder may have the suffix of a branch, as in a repository's archive: `folder.name`-main.

    The archive is read once before the first byte is written. Names that lead outside, links,
    devices and excessive sizes are refused.

    Args:
        check: Called with the parent of the unpacked top folder before that is moved into place.
        inner: A name in the data set's folder. An archive that has it at its top, and no folder of
            the data set, is unpacked into that folder.
        consumed: Whether the archive is removed once the folder is in place.

    Raises:
        KapbenchError: the archive is damaged, unsafe or lacks that top folder; the disk is full.
    """
    inside = _inside(folder)
    recover(archive, folder)
    try:
        is_zip = zipfile.is_zipfile(archive)
        members = _zip_members(archive) if is_zip else _tar_members(archive)
        n_members, tops = _check(members, archive, folder)
        _check_top(tops, archive, folder, inner)
        into = inside if tops & set(_accepted_names(folder.name)) else inside / folder.name
        into.mkdir(parents=True)
        extract = _extract_zip if is_zip else _extract_tar
        for n_done, _ in enumerate(extract(archive, into), 1):
            report(n_done, n_members)
        _remove_branch(inside, folder.name)
        if not (inside / folder.name).is_dir():
            raise KapbenchError(
                f"{folder.name} is not a folder in the archive",
                place=archive,
                fix="Check that it is not the archive of another data set",
            )
        check(inside)
        if hasattr(os, "sync"):
            os.sync()  # a file after another would take minutes
        if consumed:  # goes or stays with the folder that it is unpacked to
            archive.replace(inside / _ARCHIVE)
        move_into_place(inside / folder.name, folder)
    except _DAMAGED as error:
        raise _describe_damage(error, archive) from error
    except OSError as error:
        raise _describe_failure(error, archive, folder) from error
    finally:
        recover(archive, folder)


def unpack_in_place(archive: Path, report: Report) -> None:
    """Unpacks an archive into the folder that it lies in, and removes it.

    It is checked as by `unpack`, and holds one folder, of its own name without ending, and no more.

    Raises:
        KapbenchError: the archive is damaged, unsafe or holds something else; the disk is full.
    """
    folder = archive.with_name(archive.stem)
    try:
        is_zip = zipfile.is_zipfile(archive)
        members = _zip_members(archive) if is_zip else _tar_members(archive)
        n_members, tops = _check(members, archive, folder)
        if tops != {folder.name} or folder.exists():
            content = ", ".join(sorted(tops)) or "nothing"
            raise KapbenchError(
                f"The archive contains {content[:200]}, not {folder.name} alone",
                place=archive,
                fix="Check that it is not the archive of another data set",
            )
        extract = _extract_zip if is_zip else _extract_tar
        for n_done, _ in enumerate(extract(archive, folder.parent), 1):
            report(n_done, n_members)
    except _DAMAGED as error:
        raise _describe_damage(error, archive) from error
    except OSError as error:
        raise _describe_failure(error, archive, folder) from error
    archive.unlink()


def _describe_damage(error: Exception, archive: Path) -> KapbenchError:
    return KapbenchError(
        f"The file is not a complete tar or zip archive: {error}",
        place=archive,
        fix="Fetch it again",
    )


def _describe_failure(error: OSError, archive: Path, folder: Path) -> KapbenchError:
    what = f"The archive cannot be unpacked: {error.strerror or error}"
    if error.errno in _ODD_NAMES:
        fix = "Fetch it again; this system cannot store one of its names"
        return KapbenchError(what, place=archive, fix=fix)
    return KapbenchError(what, place=error.filename or folder, fix=FREE_DISK)


def recover(archive: Path, folder: Path) -> None:
    """Removes what an unpacking that was stopped left; an archive without its folder is put back."""
    inside = _inside(folder)
    in_place = folder.is_dir() and any(folder.iterdir())
    if (inside / _ARCHIVE).exists() and not (in_place or archive.exists()):
        (inside / _ARCHIVE).replace(archive)
    shutil.rmtree(inside, ignore_errors=True)


def was_stopped(folder: Path) -> bool:
    """Whether there is something to recover."""
    return _inside(folder).exists()


def _inside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.unpacking")


def _accepted_names(name: str) -> tuple[str, ...]:
    return (name, *(f"{name}-{branch}" for branch in BRANCHES))


def _remove_branch(inside: Path, name: str) -> None:
    top_folder = next(
        (inside / top for top in _accepted_names(name) if (inside / top).is_dir()), None
    )
    if top_folder is not None and top_folder.name != name:
        top_folder.rename(inside / name)


def _check(members: Iterable[Member], archive: Path, folder: Path) -> tuple[int, set[str]]:
    """Number of members, and names at the top.

    Raises:
        KapbenchError: a member is unsafe, or together they are too large.
    """
    limit = _limit(archive)
    n_members = total = 0
    tops, seen = set[str](), dict[bytes, str]()
    for member in members:
        n_members, total = n_members + 1, total + member.size
        danger = _find_danger(member) or _find_conflict(member, seen)
        reason = f"'{member.name}' {danger}" if danger else None
        if not danger and (n_members > MOST_MEMBERS or total > limit):
            reason = f"it unpacks to more than {min(total, limit):,} bytes in {n_members:,} files"
        if reason is not None:
            raise KapbenchError(
                f"The archive is unsafe: {reason}",
                place=archive,
                fix="Nothing was unpacked. Do not trust this file",
            )
        if _is_wanted(member.name):
            tops.update(PurePosixPath(member.name).parts[:1])
    free = shutil.disk_usage(folder.parent).free
    if free < total:
        raise KapbenchError(
            f"The disk is full: {(total - free) / 1e6:,.0f} MB more are needed",
            place=folder.parent,
            fix=FREE_DISK,
        )
    return n_members, tops


def _limit(archive: Path) -> int:
    """The most bytes that an archive may unfold to."""
    return archive.stat().st_size * MOST_EXPANSION + _FREE_EXPANSION


def _find_conflict(member: Member, seen: dict[bytes, str]) -> str | None:
    """Two files of one name, or a file that is a folder as well: no archive says which one counts.

    Args:
        seen: Kinds of the members before, and of the folders that they lie in, by hash of the name.
    """
    path = PurePosixPath(member.name)
    key = _name_hash(path)
    if member.kind == "file" and key in seen:
        return "occurs twice" if seen[key] == "file" else "is a file and a folder"
    seen[key] = member.kind
    for parent in path.parents:
        if seen.setdefault(_name_hash(parent), "folder") == "file":
            return "lies in a file"
    return None


def _name_hash(path: PurePosixPath) -> bytes:
    name = str(path).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(name, digest_size=12).digest()


def _check_top(tops: set[str], archive: Path, folder: Path, inner: str | None) -> None:
    """KapbenchError where the archive is not of this data set."""
    if not tops & {*_accepted_names(folder.name), inner}:
        content = ", ".join(sorted(tops)) or "nothing"
        raise KapbenchError(
            f"The archive contains {content[:200]}, not {folder.name}",
            place=archive,
            fix="Check that it is not the archive of another data set",
        )


def _find_danger(member: Member) -> str | None:
    if member.kind not in ("file", "folder"):
        return f"is a {member.kind}"
    windows = PureWindowsPath(member.name)
    if PurePosixPath(member.name).is_absolute() or windows.drive or windows.root:
        return "is an absolute path"
    if ".." in PurePosixPath(member.name).parts or ".." in windows.parts:
        return "leads outside its folder"
    return "has an illegal name" if "\0" in member.name else None


def _tar_members(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive) as tar:
        for info in tar:
            yield Member(info.name, info.size, _tar_kind(info))
        # The archive ends before its compression does: the checksum comes last.
        n_behind = 0
        while tar.fileobj is not None and (behind := tar.fileobj.read(1 << 20)):
            n_behind += len(behind)
            if n_behind > _MOST_BEHIND:
                yield Member("what follows its end", _limit(archive) + 1, "file")
                return


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isreg():
        return "file"
    if info.isdir():
        return "folder"
    return "link" if info.islnk() or info.issym() else "device"


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            mode = info.external_attr >> 16
            kind = "folder" if info.is_dir() else "link" if stat.S_ISLNK(mode) else "file"
            if info.flag_bits & 1:
                kind = f"{kind} with a password"
            yield Member(info.filename, info.file_size, kind)


def _extract_tar(archive: Path, inside: Path) -> Iterator[None]:
    with tarfile.open(archive) as tar:
        # Python before 3.11.4 has no filters; _check has refused all that they refuse.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        for info in tar:
            if _is_wanted(info.name):
                info.name = _local_name(info.name)
                tar.extract(info, inside)
            yield


def _extract_zip(archive: Path, inside: Path) -> Iterator[None]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            if _is_wanted(info.filename):
                info.filename = _local_name(info.filename)
                zipped.extract(info, inside)
            yield


def _is_wanted(name: str) -> bool:
    """False for what macOS and Windows add to archives."""
    return not any(map(is_system_file, PurePosixPath(name).parts))


def _local_name(name: str) -> str:
    """The name as this system can store it: Windows has no ':', which SPair-71k's pairs contain."""
    return name.replace(":", "_") if os.name == "nt" else name
