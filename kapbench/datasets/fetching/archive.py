"""Unpacks archives safely: checked whole before a byte is written, moved into place when done."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from kapbench.datasets.fetching.archive_formats import (
    DAMAGED,
    Member,
    extract,
    is_wanted,
    list_members,
)
from kapbench.errors import KapbenchError
from kapbench.storage import move_into_place

Report = Callable[[int, int | None], None]  # files unpacked, files in total
MOST_MEMBERS = 2_000_000
MOST_EXPANSION = 20  # unpacked bytes for each byte of an archive
BRANCHES = ("main", "master")  # suffixes of the top folder of a repository's archive
_ARCHIVE = ".archive"  # beside the unpacked folder, just before that is moved into place
_FREE_EXPANSION = 1 << 30  # small archives of text expand more
FREE_DISK = "Free disk space or choose another --data-root, then run the command again"
_ODD_NAMES = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ}


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
        n_members, tops = _check(list_members(archive), archive, folder)
        _check_top(tops, archive, folder, inner)
        into = inside if tops & set(_accepted_names(folder.name)) else inside / folder.name
        into.mkdir(parents=True)
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
    except DAMAGED as error:
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
        n_members, tops = _check(list_members(archive), archive, folder)
        if tops != {folder.name} or folder.exists():
            content = ", ".join(sorted(tops)) or "nothing"
            raise KapbenchError(
                f"The archive contains {content[:200]}, not {folder.name} alone",
                place=archive,
                fix="Check that it is not the archive of another data set",
            )
        for n_done, _ in enumerate(extract(archive, folder.parent), 1):
            report(n_done, n_members)
    except DAMAGED as error:
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
        if is_wanted(member.name):
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
