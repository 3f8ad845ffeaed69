"""Reads CVAT's export "CVAT for images 1.1": annotations.xml.

A skeleton is an object, its label the category; an element marked outside is not visible, one
marked occluded is hidden. The label of a single point is a keypoint's name, and shapes with one
group_id are one object. The library datumaro is not used: it needs OpenCV and holds pandas, Pillow
and pyarrow to older versions.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from kapbench.datasets.converting.annotations import (
    AnnotatedObject,
    Keypoint,
    Photograph,
    Xy,
    as_number,
    as_size,
    as_xy,
    box_around_corners,
)
from kapbench.datasets.converting.grouping import (
    LabelledBox,
    LabelledPoint,
    NamedObject,
    add_boxes,
    group_shapes,
)
from kapbench.datasets.converting.report import Reason, Report
from kapbench.datasets.converting.xml_elements import children, read_xml
from kapbench.errors import KapbenchError
from kapbench.progress import Progress

_FIX = "Export the task as 'CVAT for images 1.1', unpack it, and name annotations.xml"


def read_cvat(
    path: Path, report: Report, progress: Progress, *, points_in_order: bool = False
) -> list[Photograph]:
    """
    Args:
        points_in_order: Whether a shape with several points is an object, whose keypoints are
            numbered from 1; else it is left out.

    Raises:
        KapbenchError: not such an export.
    """
    file = path / "annotations.xml" if path.is_dir() else path
    root = read_xml(file, _FIX)
    if root.tag != "annotations" or root.find("track") is not None:
        kind = "of another tool" if root.tag != "annotations" else "'CVAT for video'"
        raise KapbenchError(f"The export is {kind}", place=file, fix=_FIX)
    images = list(children(root, "image"))
    lengths: dict[str, int] | None = {} if points_in_order else None
    photographs = []
    with progress.stage("images", len(images)) as advance:
        for image in images:
            photographs.append(_read_image(image, file.parent, lengths, report))
            advance(1)
    return photographs


def _read_image(
    image: Element, folder: Path, lengths: dict[str, int] | None, report: Report
) -> Photograph:
    """
    Args:
        lengths: Number of points in the shapes of each label, where their order names them.
    """
    name = image.get("name", "")
    size = as_size(as_number(image.get("width")), as_number(image.get("height")))
    points: list[LabelledPoint] = []
    boxes: list[LabelledBox] = []
    named: list[NamedObject] = []
    for i, shape in enumerate(image):
        place = f"image {name}, {shape.tag} {i + 1}"
        report.attributes += _list_attributes(shape, place)
        corners = _read_corners(shape) if shape.tag in ("points", "box") else []
        if shape.tag == "skeleton":
            skeleton = _read_skeleton(shape, place, report)
            named += [] if skeleton is None else [(skeleton, _group(shape))]
        elif shape.tag not in ("points", "box", "tag", "attribute"):
            report.leave_out(Reason.OTHER_SHAPE, place)
        elif shape.tag in ("points", "box") and not corners:
            report.leave_out(Reason.NOT_A_NUMBER, place)
        elif shape.tag == "box":
            box = box_around_corners(corners)
            boxes.append(LabelledBox(shape.get("label", ""), box, place, _group(shape)))
        elif len(corners) == 1:
            points.append(_make_point(shape, corners[0], place))
        elif shape.tag == "points" and _has_right_length(shape, corners, lengths, place, report):
            named.append((_number_points(shape, corners, place), _group(shape)))
    objects, other_boxes = add_boxes(named, boxes)
    objects += group_shapes(points, other_boxes, f"image {name}", report)
    return Photograph((name,), folder, f"image {name}", size, objects)


def _make_point(shape: Element, xy: Xy, place: str) -> LabelledPoint:
    occluded = shape.get("occluded") == "1"
    return LabelledPoint(shape.get("label", ""), xy, place, _group(shape), occluded)


def _read_skeleton(shape: Element, place: str, report: Report) -> AnnotatedObject | None:
    """None where the place of an element is unknown, which is neither visible nor absent."""
    keypoints: dict[str, Keypoint] = {}
    elements = {element.get("label", ""): element for element in children(shape, "points")}
    for label, element in elements.items():
        corners = _read_corners(element)
        if element.get("outside") == "1":
            keypoints[label] = Keypoint(None)
        elif len(corners) == 1:
            keypoints[label] = Keypoint(corners[0], element.get("occluded") == "1")
        else:
            report.leave_out(Reason.NOT_A_NUMBER, f"{place}, {label}")
            return None
    return AnnotatedObject(keypoints, place, shape.get("label"), order=tuple(elements))


def _has_right_length(
    shape: Element, corners: list[Xy], lengths: dict[str, int] | None, place: str, report: Report
) -> bool:
    """Whether the order of a shape's points names them; else it is left out."""
    if lengths is None:
        report.leave_out(Reason.MANY_POINTS, place)
        return False
    if lengths.setdefault(shape.get("label", ""), len(corners)) != len(corners):
        report.leave_out(Reason.OTHER_NUMBER, place)
        return False
    return True


def _number_points(shape: Element, corners: list[Xy], place: str) -> AnnotatedObject:
    occluded = shape.get("occluded") == "1"
    keypoints = {str(i + 1): Keypoint(xy, occluded) for i, xy in enumerate(corners)}
    return AnnotatedObject(keypoints, place, shape.get("label"), order=tuple(keypoints))


def _read_corners(shape: Element) -> list[Xy]:
    """Of points, or the four of a box, which is turned about its centre; none if one is wrong."""
    if shape.tag == "points":
        pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
        points = [as_xy(*map(as_number, pair)) if len(pair) == 2 else None for pair in pairs]
        return [xy for xy in points if xy is not None] if None not in points else []
    first = as_xy(as_number(shape.get("xtl")), as_number(shape.get("ytl")))
    last = as_xy(as_number(shape.get("xbr")), as_number(shape.get("ybr")))
    turn = math.radians(as_number(shape.get("rotation")) or 0)
    if first is None or last is None:
        return []
    (x, y), (u, v) = (
        ((first[0] + last[0]) / 2, (first[1] + last[1]) / 2),
        ((last[0] - first[0]) / 2, (last[1] - first[1]) / 2),
    )
    sine, cosine = math.sin(turn), math.cos(turn)
    corners = [(u, v), (u, -v), (-u, v), (-u, -v)]
    return [(x + a * cosine - b * sine, y + a * sine + b * cosine) for a, b in corners]


def _list_attributes(shape: Element, place: str) -> Iterator[str]:
    """Of a shape with points and of a skeleton's elements; those that are false are as none."""
    if shape.tag in ("points", "skeleton"):
        for attribute in shape.iter("attribute"):
            text = (attribute.text or "").strip()
            if text.lower() not in ("", "false"):
                yield f"{place}: {attribute.get('name')}={text}"


def _group(shape: Element) -> str | None:
    group = shape.get("group_id", "0")
    return None if group == "0" else group
