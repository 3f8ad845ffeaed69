"""From an export to a manifest on disk: `kapbench convert`."""

import functools
from collections.abc import Callable
from pathlib import Path

from kapbench.datasets.converting.annotations import Photograph
from kapbench.datasets.converting.convert_objects import Choices
from kapbench.datasets.converting.cvat import read_cvat
from kapbench.datasets.converting.deeplabcut import read_deeplabcut
from kapbench.datasets.converting.exif import Exif, decide_exif
from kapbench.datasets.converting.label_me import read_label_me
from kapbench.datasets.converting.label_studio import read_label_studio
from kapbench.datasets.converting.locate import list_objects, locate_photographs
from kapbench.datasets.converting.report import Report
from kapbench.datasets.converting.sleap import read_sleap
from kapbench.datasets.converting.to_manifest import make_manifest
from kapbench.datasets.manifest.schema import Rule
from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.storage import write_atomically

Reader = Callable[[Path, Report, Progress], list[Photograph]]
READERS: dict[str, Reader] = {
    "cvat": read_cvat,
    "deeplabcut": read_deeplabcut,
    "label-studio": read_label_studio,
    "labelme": read_label_me,
    "sleap": read_sleap,
    "x-anylabeling": read_label_me,
}


def convert(
    tool: str,
    path: Path,
    out: Path,
    *,
    images: Path | None = None,
    choices: Choices | None = None,
    exif: Exif = "auto",
    rule: Rule | None = None,
    strict: bool = False,
    points_in_order: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Writes a manifest; frames of videos are written to a folder beside it.

    Args:
        tool: A name of READERS.
        path: The export: a file, or a folder where the tool writes several.
        out: The manifest to write, NAME.json; NAME is the name of the data set.
        images: Where the images' paths begin; also tried are the folders of `path`.
        exif: Whether the points refer to images rotated as EXIF says.
        rule: How pairs are drawn, see kapbench.datasets.pairing.
        strict: Whether an annotation that would be left out is an error.
        points_in_order: CVAT alone: the order of a shape's points names them.

    Raises:
        KapbenchError: an export that cannot be read, or has fewer than two objects; `strict`.
    """
    if images is not None and not images.is_dir():
        raise KapbenchError("The folder does not exist", place=images, fix="Correct --images")
    path, progress = path.expanduser(), progress or Progress()
    report, choices = Report(path, strict), choices or Choices()
    reader = (
        functools.partial(read_cvat, points_in_order=True) if points_in_order else READERS[tool]
    )
    photographs = reader(path, report, progress)
    annotated = [photograph for photograph in photographs if photograph.objects]
    if len(annotated) < len(photographs):
        n_empty = len(photographs) - len(annotated)
        report.notes.append(f"Images without an annotated object: {n_empty:,}.")
    base = path if path.is_dir() else path.parent
    first = [] if images is None else [images]
    frames = out.with_name(f"{out.stem}-frames")
    located = locate_photographs(annotated, [*first, base], frames, report, progress)
    upright = decide_exif(located, exif, report)
    absent = choices.unlabelled == "absent"
    manifest = make_manifest(
        list_objects(located, upright=upright, absent=absent, report=report),
        out,
        choices,
        report,
        name=out.stem,
        exif=upright,
        rule=rule or Rule(),
    )
    content = manifest.model_dump_json(indent=1, exclude_defaults=True)
    write_atomically(out, content.encode())
    return report
