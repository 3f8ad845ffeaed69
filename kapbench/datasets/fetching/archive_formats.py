"""Tar and zip archives alike: what is in them, and its extraction."""

import gzip
import lzma
import os
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kapbench.paths import is_system_file

DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,  # a zip compression that Python lacks
)
_MOST_BEHIND = 1 << 26  # bytes of padding


class Member(NamedTuple):
    name: str
    size: int
    kind: str  # "file", "folder" or another kind, e.g. "link"


def list_members(archive: Path) -> Iterator[Member]:
    """In the archive's order. Raises one of DAMAGED."""
    return _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)


def extract(archive: Path, inside: Path) -> Iterator[None]:
    """Writes the members below a folder, but for system files; yields after each member.

    They must have been checked. Raises one of DAMAGED.
    """
    is_zip = zipfile.is_zipfile(archive)
    return _extract_zip(archive, inside) if is_zip else _extract_tar(archive, inside)


def _tar_members(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive) as tar:
        for info in tar:
            yield Member(info.name, info.size, _tar_kind(info))
        # The archive ends before its compression does: the checksum comes last.
        n_behind = 0
        while tar.fileobj is not None and (behind := tar.fileobj.read(1 << 20)):
            n_behind += len(behind)
            if n_behind > _MOST_BEHIND:
                yield Member("what follows its end", sys.maxsize, "file")
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
        # Python before 3.11.4 has no filters; the check has refused all that they refuse.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        for info in tar:
            if is_wanted(info.name):
                info.name = local_name(info.name)
                tar.extract(info, inside)
            yield


def _extract_zip(archive: Path, inside: Path) -> Iterator[None]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            if is_wanted(info.filename):
                info.filename = local_name(info.filename)
                zipped.extract(info, inside)
            yield


def is_wanted(name: str) -> bool:
    """False for what macOS and Windows add to archives."""
    return not any(map(is_system_file, PurePosixPath(name).parts))


def local_name(name: str) -> str:
    """The name as this system can store it: Windows has no ':', which SPair-71k's pairs contain."""
    return name.replace(":", "_") if os.name == "nt" else name
