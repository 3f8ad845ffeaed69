"""Lists what a folder, or one file of many arrays, holds: each with the name that tells its image."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kapbench.errors import KapbenchError, counted
from kapbench.models.converting.array_files import OPENERS, open_arrays
from kapbench.models.converting.sd_dino import ENDINGS, Part
from kapbench.paths import list_files

FLIPPED = "_flip"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the features of one image are stored.

    Args:
        name: What tells the image: a relative path without the format's ending, or the array's name
            in a file of many.
        paths: The file; of the layout sd-dino one by each ending.
        key: Name of the array in the file; None: the only one.
    """

    name: str
    paths: dict[str, Path]
    key: str | None = None

    @property
    def path(self) -> Path:
        return next(iter(self.paths.values()))


def list_entries(source: Path, out: Path, key: str | None) -> list[Entry]:
    """What a folder's files, or one file's arrays, are called.

    Args:
        out: The folder that is written, whose files are not read.
        key: Of the array in files of several.

    Raises:
        KapbenchError: no file of a known format.
    """
    if source.is_file():
        return _in_one_file(source, key)
    paths = _files(source, out)
    return [Entry(_name(path, source), {"": path}, key) for path in paths]


def list_sd_dino(source: Path, out: Path, part: Part) -> list[Entry]:
    """Files `NAME_sd.pt` and `NAME_dino.pt`, by NAME; those of mirrored images are left out.

    Raises:
        KapbenchError: no such file, or an image with one of both.
    """
    endings = ENDINGS[part]
    by_name: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in _files(source, out):
        name = _name(path, source)
        for ending in endings:
            if path.suffix == ".pt" and name.endswith(ending):
                by_name[name.removesuffix(ending)][ending] = path
    halves = [paths for paths in by_name.values() if len(paths) < len(endings)]
    if halves or not by_name:
        wanted = " and ".join(f"NAME{ending}.pt" for ending in endings)
        place = next(iter(halves[0].values())) if halves else source
        how_many = counted(len(halves), "image") if halves else "every image"
        fix = "Complete them, or convert one part: --part dino or --part sd"
        raise KapbenchError(f"The files {wanted} are missing of {how_many}", place=place, fix=fix)
    return [Entry(name, {e: paths[e] for e in endings}) for name, paths in by_name.items()]


def _files(source: Path, out: Path) -> list[Path]:
    if not source.is_dir():
        raise KapbenchError(
            "The folder does not exist", place=source, fix="Give a folder or a file of features"
        )
    written = out.resolve()
    paths = [
        path
        for path in list_files(source, "**/*")
        if path.suffix.lower() in OPENERS and not path.resolve().is_relative_to(written)
    ]
    if not paths:
        raise KapbenchError(
            "The folder holds no file of features",
            place=source,
            fix=f"Give a folder of {', '.join(OPENERS)} files",
        )
    return paths


def _name(path: Path, source: Path) -> str:
    relative = path.relative_to(source).as_posix()
    return os.path.splitext(relative)[0]  # noqa: PTH122  a folder's name may hold a dot


def _in_one_file(source: Path, key: str | None) -> list[Entry]:
    if source.suffix.lower() not in OPENERS:
        raise KapbenchError(
            f"Files {source.suffix or 'without an ending'} are not read",
            place=source,
            fix=f"Give a folder, or one file, of the formats {', '.join(OPENERS)}",
        )
    with open_arrays(source) as arrays:
        names = list(arrays.shapes)
    if key is not None:  # a group of each image, with this array in it
        names = [name for name in names if name.rpartition("/")[2] == key]
    parts = {name: name.rpartition("/")[0] if key else name for name in names}
    return [Entry(text, {"": source}, name) for name, text in parts.items()]


def choose_array(names: Sequence[str], key: str | None, path: Path) -> str:
    """The name of a file's array: the only one, or the one that the user names.

    Raises:
        KapbenchError: no array, or several and no name of them.
    """
    if key is not None and key in names:
        return key
    if key is None and len(names) == 1:
        return names[0]
    known = ", ".join(name or "(without a name)" for name in names) or "none"
    what = f"no array '{key}'" if key else "several arrays" if names else "no array"
    raise KapbenchError(
        f"The file holds {what}: {known}",
        place=path,
        fix="Name the one to convert: --key NAME" if names else "Save it again",
    )
