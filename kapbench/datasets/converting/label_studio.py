"""Reads Label Studio's export "JSON": tasks, annotations, regions in per cent of the image.

A keypoint belongs to the box that it is nested in (parentID) or that a relation joins it to. The
library label-studio-sdk is not used: it needs OpenCV and nltk, its conversion rounds keypoints to
whole pixels, and it makes one object of all keypoints of an image.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kapbench.datasets.converting.annotations import (
    Photograph,
    Xy,
    as_size,
    as_xy,
    box_around_corners,
)
from kapbench.datasets.converting.grouping import LabelledBox, LabelledPoint, group_shapes
from kapbench.datasets.converting.report import Reason, Report
from kapbench.datasets.reading import Box
from kapbench.errors import KapbenchError, name_first
from kapbench.progress import Progress
from kapbench.untrusted.strict_text import parse_json, read_bytes

_FIX = "Name the file of the export format JSON, not that of JSON-MIN"
_POINTS, _BOXES = ("keypointlabels", "keypoint"), ("rectanglelabels", "rectangle")
_ANSWERS = ("choices", "taxonomy", "textarea", "rating", "number")
_WITHOUT_SHAPE = ("relation", "labels", *_ANSWERS)
_IMAGE = re.compile(r"\.(jpe?g|png|bmp|gif|webp|tiff?)$", re.IGNORECASE)
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what the tool puts before the name of an uploaded file
Region = dict[str, Any]


def read_label_studio(path: Path, report: Report, progress: Progress) -> list[Photograph]:
    """KapbenchError where the file is not such an export."""
    content = parse_json(read_bytes(path, _FIX), path, nan=True)
    tasks = content if isinstance(content, list) else [content]
    photographs, several, n_tasks = [], [], 0
    with progress.stage("tasks", len(tasks)) as advance:
        for i, task in enumerate(tasks):
            annotations = _list_annotations(task)
            if annotations is None:
                report.leave_out(Reason.NO_ANNOTATIONS, f"[{i}]")
                continue
            n_tasks += 1
            if len(annotations) > 1:
                several.append(_place(task))
            if annotations:
                photographs.append(_read_task(task, _pick(annotations), path.parent, report))
            advance(1)
    if not n_tasks:
        raise KapbenchError("The file has no annotations", place=path, fix=_FIX)
    if several:
        report.notes.append(
            f"Images with several annotations: {len(several):,} ({name_first(several)}). The one "
            "marked as ground truth is taken, else the one changed last."
        )
    return photographs


def _list_annotations(task: Any) -> list[dict[str, Any]] | None:
    """Those that were not cancelled; None where it is not a task."""
    annotations = task.get("annotations") if isinstance(task, dict) else None
    if not isinstance(annotations, list):
        return None
    whole = [annotation for annotation in annotations if isinstance(annotation, dict)]
    return [annotation for annotation in whole if not annotation.get("was_cancelled")]


def _place(task: dict[str, Any]) -> str:
    return f"task {task.get('id', 'without an id')}"


def image_names(name: str) -> Iterator[str]:
    """What the file of an image may be called, from what a task calls it: a path or an address."""
    yield name
    parts = urlsplit(name)
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    yield path


def original_name(name: str) -> str | None:
    """Name of an uploaded file before the tool put eight hexadecimal digits before it."""
    *_, path = image_names(name)
    file = path.rpartition("/")[2]
    is_upload = "/data/upload/" in path and _UPLOAD.match(file)
    return _UPLOAD.sub("", file) if is_upload else None


def _pick(annotations: Sequence[dict[str, Any]]) -> list[Region]:
    """The regions of one annotation."""
    truths = [a for a in annotations if a.get("ground_truth")]
    newest = max(truths or annotations, key=lambda a: str(a.get("updated_at", "")))
    regions = newest.get("result")
    return [r for r in regions if isinstance(r, dict)] if isinstance(regions, list) else []


def _read_task(
    task: dict[str, Any], regions: list[Region], folder: Path, report: Report
) -> Photograph:
    place = _place(task)
    sizes = [size for size in map(_find_size, regions) if size is not None]
    photograph = _start_photograph(task, folder, sizes[0] if sizes else None)
    if any(region.get("image_rotation") for region in regions):
        report.leave_out(Reason.TURNED, place)
        return photograph
    if len(set(sizes)) > 1:
        report.leave_out(Reason.OTHER_SIZE, place)
        return photograph
    labels = {
        str(region.get("id")): _find_labels(region) for region in regions if _find_labels(region)
    }
    parents = _find_parents(regions)
    report.attributes += _list_answers(regions, place)
    points, boxes = [], []
    for region in regions:
        key = str(region.get("id"))
        where = f"{place}, region {key}"
        if region.get("type") in _POINTS:
            point = _read_point(region, where, report)
            label = labels.get(key, [])
            if point is not None and len(label) == 1:
                points.append(LabelledPoint(label[0], point, where, parents.get(key)))
            elif point is not None:
                report.leave_out(Reason.NO_LABEL, where)
        elif region.get("type") in _BOXES:
            box = _read_box(region, where, report)
            if box is not None:
                boxes.append(LabelledBox(labels.get(key, ["object"])[0], box, where, key))
        elif region.get("type") not in _WITHOUT_SHAPE:
            report.leave_out(Reason.OTHER_SHAPE, where)
    photograph.objects.extend(group_shapes(points, boxes, place, report))
    return photograph


def _start_photograph(
    task: dict[str, Any], folder: Path, size: tuple[int, int] | None
) -> Photograph:
    """Without objects."""
    image = _find_image(task)
    names, original = tuple(image_names(image)), original_name(image)
    return Photograph(names, folder, _place(task), size, original=original, is_scaled=True)


def _list_answers(regions: Sequence[Region], place: str) -> list[str]:
    """What annotators chose or wrote about single keypoints, which share the keypoint's id."""
    points = {str(region.get("id")) for region in regions if region.get("type") in _POINTS}
    return [
        f"{place}, region {region.get('id')}: {region.get('from_name')}"
        for region in regions
        if region.get("type") in _ANSWERS and str(region.get("id")) in points
    ]


def _find_image(task: dict[str, Any]) -> str:
    """The text of the task's data that names an image file, or is under the key image."""
    data = task.get("data")
    values = data if isinstance(data, dict) else {}
    texts = {key: text for key, text in values.items() if isinstance(text, str)}
    named = [text for text in texts.values() if any(map(_IMAGE.search, image_names(text)))]
    return texts.get("image", named[0] if named else "")


def _find_labels(region: Region) -> list[str]:
    """The labels that a region gives to its shape; a shape and its labels share an id."""
    value, kind = region.get("value", {}), str(region.get("type"))
    labels = value.get(kind) if isinstance(value, dict) and kind.endswith("labels") else None
    return [str(label) for label in labels] if isinstance(labels, list) else []


def _find_parents(regions: Sequence[Region]) -> dict[str, str]:
    """The id of the box that each keypoint belongs to, by the keypoint's id."""
    boxes = {str(region.get("id")) for region in regions if region.get("type") in _BOXES}
    parents = {str(r.get("id")): str(r["parentID"]) for r in regions if r.get("parentID")}
    for region in regions:
        if region.get("type") == "relation":
            ends = str(region.get("from_id")), str(region.get("to_id"))
            for one, other in (ends, ends[::-1]):
                if other in boxes and one not in boxes:
                    parents.setdefault(one, other)
    return {key: box for key, box in parents.items() if box in boxes}


def _find_size(region: Region) -> tuple[int, int] | None:
    return as_size(region.get("original_width"), region.get("original_height"))


def _to_pixels(region: Region, x: str, y: str) -> Xy | None:
    """Two values in per cent of the image; None where they are no numbers."""
    size, value = _find_size(region), region.get("value", {})
    xy = as_xy(value.get(x), value.get(y)) if isinstance(value, dict) else None
    return None if size is None or xy is None else (xy[0] * size[0] / 100, xy[1] * size[1] / 100)


def _read_point(region: Region, place: str, report: Report) -> Xy | None:
    xy = _to_pixels(region, "x", "y")
    if xy is None:
        no_size = _find_size(region) is None
        report.leave_out(Reason.NO_STATED_SIZE if no_size else Reason.NOT_A_NUMBER, place)
    return xy


def _read_box(region: Region, place: str, report: Report) -> Box | None:
    """The upright box around a rectangle, which is turned about its first corner."""
    first, extent = _read_point(region, place, report), _to_pixels(region, "width", "height")
    if first is None:
        return None
    if extent is None:
        report.leave_out(Reason.NOT_A_NUMBER, place)
        return None
    rotation = as_xy(region["value"].get("rotation") or 0, 0)
    turn = math.radians(rotation[0] if rotation is not None else 0)
    (x, y), (width, height) = first, extent
    corners = [
        (x + u * math.cos(turn) - v * math.sin(turn), y + u * math.sin(turn) + v * math.cos(turn))
        for u, v in ((0, 0), (width, 0), (width, height), (0, height))
    ]
    return box_around_corners(corners)
