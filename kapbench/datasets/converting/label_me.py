"""Reads the files of LabelMe and X-AnyLabeling: one JSON file beside each image.

Shapes of the same group_id are one object. X-AnyLabeling marks a hidden keypoint as difficult; its
key visible is whether the shape is drawn on the screen.
"""

from pathlib import Path
from typing import Any

from kapbench.datasets.converting.annotations import (
    Photograph,
    Xy,
    as_size,
    as_xy,
    box_around_corners,
)
from kapbench.datasets.converting.grouping import LabelledBox, LabelledPoint, group_shapes
from kapbench.datasets.converting.image_files import list_exports
from kapbench.datasets.converting.report import Reason, Report
from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.untrusted.strict_text import parse_json, read_bytes

_FIX = "Name the folder that holds the tool's JSON files, or one of them"


def read_label_me(path: Path, report: Report, progress: Progress) -> list[Photograph]:
    """Of one file, or of all in a folder and below it. KapbenchError where there is none."""
    files = list_exports(path, "*.json") if path.is_dir() else [path]
    photographs: list[Photograph] = []
    with progress.stage("files", len(files)) as advance:
        for file in files:
            photographs += _read_file(file, path, report)
            advance(1)
    if not photographs:
        raise KapbenchError("There is no file of LabelMe", place=path, fix=_FIX)
    return photographs


def _read_file(file: Path, root: Path, report: Report) -> list[Photograph]:
    """One photograph, or none where the file cannot be read."""
    place = file.relative_to(root).as_posix() if file != root else file.name
    try:
        content = parse_json(read_bytes(file, _FIX), file, nan=True)
    except KapbenchError:
        report.leave_out(Reason.BAD_FILE, place)
        return []
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        report.leave_out(Reason.OTHER_FILE, place)
        return []
    image = str(content.get("imagePath") or "")
    size = as_size(content.get("imageWidth"), content.get("imageHeight"))
    photograph = Photograph((image,), file.parent, place, size)
    points: list[LabelledPoint] = []
    boxes: list[LabelledBox] = []
    for i, shape in enumerate(content["shapes"]):
        _read_shape(shape, f"{place}, shapes[{i}]", points, boxes, report)
    photograph.objects.extend(group_shapes(points, boxes, place, report))
    return [photograph]


def _read_shape(
    shape: Any, place: str, points: list[LabelledPoint], boxes: list[LabelledBox], report: Report
) -> None:
    """Appends a shape to the points or the boxes."""
    if not isinstance(shape, dict):
        report.leave_out(Reason.OTHER_SHAPE, place)
        return
    kind, label = shape.get("shape_type"), str(shape.get("label") or "")
    group = None if shape.get("group_id") is None else str(shape["group_id"])
    corners = _read_corners(shape.get("points"))
    if kind not in ("point", "rectangle"):
        report.leave_out(Reason.OTHER_SHAPE, place)
    elif not corners or (kind == "rectangle" and len(corners) < 2):
        report.leave_out(Reason.NOT_A_NUMBER, place)
    elif kind == "rectangle":
        boxes.append(LabelledBox(label, box_around_corners(corners), place, group))
    elif not label:
        report.leave_out(Reason.NO_LABEL, place)
    else:
        for key in ("flags", "attributes"):
            stated = shape.get(key)
            pairs = stated.items() if isinstance(stated, dict) else ()
            report.attributes += [f"{place}: {name}={value}" for name, value in pairs if value]
        occluded = shape.get("difficult") is True
        points.append(LabelledPoint(label, corners[0], place, group, occluded))


def _read_corners(values: Any) -> list[Xy]:
    """Points as pairs of numbers; none where one of them is not."""
    pairs = values if isinstance(values, list) else []
    corners = [as_xy(*p) if isinstance(p, list) and len(p) == 2 else None for p in pairs]
    return [xy for xy in corners if xy is not None] if None not in corners else []
