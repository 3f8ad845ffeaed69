"""Which keypoints and boxes of an image are one object, for tools that list them one by one.

Keypoints and boxes with the same group are one object. Where no keypoint of an image has a group,
those of an image with one box or none are one object. Else each keypoint without a group belongs to
the one box that holds it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kapbench.datasets.converting.annotations import AnnotatedObject, Keypoint, Xy
from kapbench.datasets.converting.report import Reason, Report
from kapbench.datasets.reading import Box


@dataclass(frozen=True, slots=True)
class LabelledPoint:
    """
    Args:
        group: What all of one object share, as a group's number or the id of its box.
    """

    label: str
    xy: Xy
    place: str
    group: str | None = None
    occluded: bool = False


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """
    Args:
        label: The category of the object.
        group: None where no keypoint can refer to the box.
    """

    label: str
    box: Box
    place: str
    group: str | None = None


NamedObject = tuple[AnnotatedObject, str | None]  # an object, as a skeleton, and its group


def group_shapes(
    points: Sequence[LabelledPoint], boxes: Sequence[LabelledBox], place: str, report: Report
) -> list[AnnotatedObject]:
    """The objects of one image, in the order of their first keypoint, numbered from 1.

    Args:
        place: Of the image in the export, for messages.
    """
    boxes_by_group = _sort_boxes(boxes, report)
    members: dict[str, list[LabelledPoint]] = {}
    for point in points:
        group = _find_group(point, points, boxes_by_group)
        if group is None:
            report.leave_out(Reason.NO_OBJECT, point.place)
        else:
            members.setdefault(group, []).append(point)
    for group, box in boxes_by_group.items():
        if group not in members:
            report.leave_out(Reason.NO_KEYPOINT, box.place)
    return [
        _make_object(grouped, boxes_by_group.get(group), f"{place}, object {i}", report)
        for i, (group, grouped) in enumerate(members.items(), start=1)
    ]


def add_boxes(
    objects: Sequence[NamedObject], boxes: Sequence[LabelledBox]
) -> tuple[list[AnnotatedObject], list[LabelledBox]]:
    """Objects with the box of their group, and the boxes that no object has.

    One object and one box without groups belong together where they are all that an image has.
    """
    rest = list(boxes)
    complete = []
    for item, group in objects:
        matching = [box for box in rest if group is not None and box.group == group]
        if len(objects) == len(boxes) == 1 and group is None and boxes[0].group is None:
            matching = rest[:1]
        if matching:
            rest.remove(matching[0])
        complete.append(replace(item, box=matching[0].box) if matching else item)
    return complete, rest


def _sort_boxes(boxes: Sequence[LabelledBox], report: Report) -> dict[str, LabelledBox]:
    """Boxes by group; those without one get a name of their own."""
    by_group: dict[str, LabelledBox] = {}
    for i, box in enumerate(boxes):
        group = f"box {i}" if box.group is None else box.group
        if group in by_group:
            report.leave_out(Reason.TWO_BOXES, box.place)
        else:
            by_group[group] = box
    return by_group


def _find_group(
    point: LabelledPoint, points: Sequence[LabelledPoint], boxes: dict[str, LabelledBox]
) -> str | None:
    """The group of a keypoint; None where it has none, and lies in no box or in several."""
    if point.group is not None:
        return point.group
    if len(boxes) < 2 and all(other.group is None for other in points):
        return next(iter(boxes), "all")
    holding = [group for group, box in boxes.items() if _holds(box, point)]
    return holding[0] if len(holding) == 1 else None


def _holds(box: LabelledBox, point: LabelledPoint) -> bool:
    x1, y1, x2, y2 = box.box
    return x1 <= point.xy[0] <= x2 and y1 <= point.xy[1] <= y2


def _make_object(
    points: list[LabelledPoint], box: LabelledBox | None, place: str, report: Report
) -> AnnotatedObject:
    keypoints = dict(_unique(points, report))
    category, around = (None, None) if box is None else (box.label, box.box)
    return AnnotatedObject(keypoints, place, category, around)


def _unique(points: list[LabelledPoint], report: Report) -> Iterator[tuple[str, Keypoint]]:
    """Keypoints by label; where a label occurs twice, neither can be taken for it."""
    occurrences = Counter(point.label for point in points)
    for point in points:
        if occurrences[point.label] > 1:
            report.leave_out(Reason.LABEL_TWICE, point.place)
        else:
            yield point.label, Keypoint(point.xy, point.occluded)
