"""Finds the image of each photograph, writes frames of videos, and reads the images' headers."""

import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from PIL import Image

from kapbench.datasets.converting.annotations import Photograph
from kapbench.datasets.converting.convert_objects import LocatedObject, keep_inside
from kapbench.datasets.converting.image_files import find_image
from kapbench.datasets.converting.report import Reason, Report
from kapbench.datasets.images import Header, read_header
from kapbench.datasets.orientation import remark_on_sizes
from kapbench.errors import KapbenchError, name_first
from kapbench.progress import Progress
from kapbench.storage import write_atomically


@dataclass(frozen=True, slots=True)
class LocatedPhotograph:
    photograph: Photograph
    file: Path
    header: Header


def locate_photographs(
    photographs: Sequence[Photograph],
    folders: Sequence[Path],
    frames: Path,
    report: Report,
    progress: Progress,
) -> list[LocatedPhotograph]:
    """Those whose image is on disk and occurs once.

    Args:
        folders: Where paths may begin, beside the folder of the file that names them.
        frames: The folder to write frames of videos to.

    Raises:
        KapbenchError: two images of the export lead to one file.
    """
    located: dict[Path, LocatedPhotograph] = {}
    shortened: list[str] = []
    with progress.stage("images", len(photographs)) as advance:
        for photograph in photographs:
            file = _find(photograph, folders, frames, shortened, report)
            header = None if file is None else _read_header(photograph, file, report)
            if file is not None and header is not None:
                item = LocatedPhotograph(photograph, file, header)
                first = located.setdefault(file.resolve(), item)
                if first is not item:
                    _refuse_second(first.photograph, photograph, file, report)
            advance(1)
    if shortened:
        report.notes.append(
            f"Images found by the end of their path alone: {len(shortened):,} "
            f"({name_first(shortened)}). The whole path does not exist on this machine."
        )
    return list(located.values())


def list_objects(
    located: Sequence[LocatedPhotograph], *, upright: bool, absent: bool, report: Report
) -> list[LocatedObject]:
    """The objects of the images whose size on disk is the one that the export states.

    Where EXIF rotates an image, tools state its size before or after the rotation.

    Args:
        upright: Whether points and sizes refer to images rotated as EXIF says.
        absent: Whether a keypoint without a label counts as absent; then an image is left out
            where a keypoint is.
    """
    ids = _make_ids([item.file for item in located])
    objects: list[tuple[str, LocatedObject]] = []
    moved: list[str] = []
    n_other = 0
    for item in located:
        size = item.header.upright if upright else item.header.stored
        stated = item.photograph.size
        if not _fits(item, size):
            report.leave_out(Reason.OTHER_SIZE, item.photograph.place)
            continue
        n_other += stated not in (None, size)
        for annotated in item.photograph.objects:
            inside = keep_inside(annotated, size, moved, report)
            located_object = LocatedObject(item.file, ids[item.file], size, inside)
            objects.append((item.photograph.place, located_object))
    report.notes += [f"{remark}." for remark in remark_on_sizes(n_other)]
    if moved:
        report.notes.append(
            f"Keypoints up to 1 px outside their image, which are moved to its edge: "
            f"{len(moved):,} ({name_first(moved)})."
        )
    doubtful = report.unknown_places() if absent else set()
    for place in dict.fromkeys(place for place, _ in objects if place in doubtful):
        report.leave_out(Reason.DOUBTFUL, place)
    return [item for place, item in objects if place not in doubtful]


def _fits(item: LocatedPhotograph, size: tuple[int, int]) -> bool:
    """Whether the points of an image can be used.

    Args:
        size: Width and height of the pixels that the points refer to.
    """
    stated, header = item.photograph.size, item.header
    if item.photograph.is_scaled:
        return stated in (None, size)
    return stated in (None, header.stored, header.upright)


def _find(
    photograph: Photograph,
    folders: Sequence[Path],
    frames: Path,
    shortened: list[str],
    report: Report,
) -> Path | None:
    """The image, or None where it is left out; a frame of a video is written first."""
    match = find_image(photograph.names, photograph.original, [*folders, photograph.folder])
    if match is None:
        report.leave_out(Reason.NO_IMAGE, f"{photograph.place}: {photograph.names[0]}")
        return None
    file, is_shortened = match
    if is_shortened:
        shortened.append(f"{photograph.names[0]}: {file}")
    if photograph.frame is None:
        return file
    try:
        pixels = photograph.frame.read(file)
    except KapbenchError:
        report.leave_out(Reason.BROKEN_IMAGE, photograph.place)
        return None
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    write_atomically(frames / photograph.frame.name, png.getvalue())
    return frames.resolve() / photograph.frame.name


def _read_header(photograph: Photograph, file: Path, report: Report) -> Header | None:
    try:
        return read_header(file)
    except KapbenchError:
        report.leave_out(Reason.BROKEN_IMAGE, f"{photograph.place}: {file}")
        return None


def _refuse_second(first: Photograph, second: Photograph, file: Path, report: Report) -> None:
    if first.names[0] == second.names[0]:
        report.leave_out(Reason.IMAGE_TWICE, f"{second.place}: {second.names[0]}")
        return
    raise KapbenchError(
        "Two images of the export lead to one file",
        place=f"{first.names[0]} and {second.names[0]}: {file}",
        fix="Keep the folders of the images as the tool names them, and name the folder in which "
        "their paths begin with --images",
    )


def _make_ids(files: Sequence[Path]) -> dict[Path, str]:
    """Paths from the folder that all share, without their ending where that is unique."""
    if not files:
        return {}
    common = os.path.commonpath([file.parent for file in files])
    names = {file: PurePath(os.path.relpath(file, common)) for file in files}
    n_names = Counter(name.with_suffix("") for name in names.values())
    return {
        file: (name if n_names[name.with_suffix("")] > 1 else name.with_suffix("")).as_posix()
        for file, name in names.items()
    }
