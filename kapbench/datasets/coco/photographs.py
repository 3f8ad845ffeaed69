"""The photographs that a COCO file names: where they are, what they are called, how they are read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from kapbench.datasets import orientation
from kapbench.datasets.coco.annotation import CocoAnnotation
from kapbench.datasets.coco.file import CocoFile, CocoImage
from kapbench.datasets.images import Header, find_file, read_header, with_slashes
from kapbench.errors import KapbenchError, agreeing, counted, name_first
from kapbench.untrusted.regular_files import is_file

FOLDERS = (".", "images", "../images", "../data", "..")  # where photographs may be, from the file


@dataclass(frozen=True)
class Photographs:
    """Photographs by the id of their record in the file.

    Args:
        names: Name of each photograph; records of one file have the same name, and no two files.
        paths: Path of each name.
        headers: Header of each name.
        follows_exif: Whether they are read as EXIF says that they are shown.
        remarks: What was assumed of their orientation, as sentences.
        identity_remarks: Where an id is more, or less, than a file name without its ending.
    """

    names: Mapping[int, str]
    paths: Mapping[str, Path]
    headers: Mapping[str, Header]
    follows_exif: bool
    remarks: tuple[str, ...]
    identity_remarks: tuple[str, ...]

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of the pixels that are read."""
        header = self.headers[name]
        return header.upright if self.follows_exif else header.stored


def open_photographs(
    file: CocoFile,
    annotations: Sequence[CocoAnnotation],
    path: Path,
    folder: str | None,
    exif: bool | None,
) -> Photographs:
    """
    Args:
        annotations: Those whose photographs are needed.
        path: The file.
        folder: Folder of the photographs; None: that of the file, or a usual one beside it.
        exif: Whether EXIF orientations are followed; None: as keypoints and boxes fit.

    Raises:
        KapbenchError: a photograph that is missing or cannot be read, or whose size the file
            states otherwise; an EXIF orientation that nothing decides.
    """
    needed = {number: file.images[number] for number in sorted({a.image_id for a in annotations})}
    if not needed:
        raise KapbenchError(
            "The file has no annotation with keypoints", place=path, fix="Give another file"
        )
    names = name_photographs(file.images)
    files = _find_photographs(needed.values(), path, folder)
    paths = {names[number]: files[image.file_name] for number, image in needed.items()}
    headers = {name: read_header(paths[name]) for name in paths}
    follows, remarks = exif, tuple[str, ...]()
    if follows is None:
        annotated = [(a, paths[names[a.image_id]], headers[names[a.image_id]]) for a in annotations]
        follows, remarks = orientation.follows_exif(
            [(p, header, a.numbers[a.numbers[:, 2] > 0, :2]) for a, p, header in annotated],
            [(p, header, np.array(a.box or ()).reshape(-1, 2)) for a, p, header in annotated],
            "--dataset-option exif",
            [
                ((i.width, i.height), headers[names[number]])
                for number, i in needed.items()
                if i.width is not None and i.height is not None
            ],
        )
    identity = (
        *_remark_on_records(file.images.values()),
        *_remark_on_endings(file.images.values()),
    )
    photographs = Photographs(names, paths, headers, follows, remarks, identity)
    return replace(photographs, remarks=remarks + _check_sizes(needed.values(), photographs, path))


def name_photographs(images: Mapping[int, CocoImage]) -> dict[int, str]:
    """Name of each record's file: its path without ending, unless another file has that too."""
    ambiguous = set(_list_ambiguous(images.values()))
    files = {number: _normal(image.file_name) for number, image in images.items()}
    return {n: file if file in ambiguous else _drop_ending(file) for n, file in files.items()}


def _list_ambiguous(images: Iterable[CocoImage]) -> list[str]:
    """Files that differ from another only in their ending, in alphabetical order."""
    files = {_normal(image.file_name) for image in images}
    times = Counter(map(_drop_ending, files))
    return sorted(file for file in files if times[_drop_ending(file)] > 1)


def _remark_on_records(images: Iterable[CocoImage]) -> tuple[str, ...]:
    """The remark on files that several records name."""
    times = Counter(_normal(image.file_name) for image in images)
    several = sorted(file for file, n in times.items() if n > 1)
    if not several:
        return ()
    message = (
        f"{counted(len(several), 'file')} {agreeing('has', len(several))} several records in `images`, "
        f"which are read as one photograph: {name_first(several)}"
    )
    return (message,)


def _remark_on_endings(images: Iterable[CocoImage]) -> tuple[str, ...]:
    """The remark on files that differ only in their ending."""
    files = _list_ambiguous(images)
    message = (
        f"{len(files):,} files differ from another only in their ending, which is part of their "
        f"ids: {name_first(files)}"
    )
    return (message,) if files else ()


def _check_sizes(
    images: Iterable[CocoImage], photographs: Photographs, path: Path
) -> tuple[str, ...]:
    """The remark on stated sizes of the other orientation. KapbenchError where one fits neither."""
    n_other = 0
    for image in images:
        if image.width is None or image.height is None:
            continue
        name, stated = photographs.names[image.id], (image.width, image.height)
        orientation.check_stated_size(
            stated, photographs.headers[name], photographs.paths[name], f"{path}, image {image.id}"
        )
        n_other += stated != photographs.size(name)
    return orientation.remark_on_sizes(n_other)


def _normal(file_name: str) -> str:
    return str(PurePosixPath(with_slashes(file_name)))


def _drop_ending(file: str) -> str:
    return str(PurePosixPath(file).with_suffix(""))


def _find_photographs(
    images: Iterable[CocoImage], path: Path, folder: str | None
) -> dict[str, Path]:
    """Path by file name, in the one folder that holds the photographs."""
    needed = sorted({image.file_name for image in images})
    folders = (
        [Path(folder).expanduser().absolute()] if folder else [path.parent / f for f in FOLDERS]
    )
    holding = _choose_folder(folders, needed)
    paths = {name: find_file(holding, name) for name in needed}
    missing = [name for name in needed if not is_file(paths[name])]
    if missing == needed:
        raise KapbenchError(
            f"There is no photograph {missing[0]}",
            place=holding,
            fix="Name their folder: --dataset-option images=FOLDER",
        )
    if missing:
        raise KapbenchError(
            f"{len(missing):,} of {counted(len(needed), 'photograph')} "
            f"{agreeing('is', len(missing))} missing: {name_first(missing)}",
            place=holding,
            fix="Put what is missing there, or name the folder that holds all: "
            "--dataset-option images=FOLDER",
        )
    return paths


def _choose_folder(folders: Sequence[Path], needed: Sequence[str]) -> Path:
    """That of the first photograph, else the one that holds the most."""
    for folder in folders:
        if is_file(find_file(folder, needed[0])):
            return folder
    return max(folders, key=lambda f: sum(is_file(find_file(f, name)) for name in needed))
