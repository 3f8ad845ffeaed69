"""From annotated objects to those of a manifest: visibility, boxes, categories."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from kapbench.datasets.converting.annotations import AnnotatedObject, Keypoint, Xy
from kapbench.datasets.converting.report import Reason, Report
from kapbench.datasets.manifest.schema import Point
from kapbench.datasets.reading import Box

DEFAULT_CATEGORY = "object"
_MARGIN = 1.0  # px; tools round keypoints, or count from the centre of a pixel


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user decides where a tool leaves it open.

    Args:
        category: Of every object; None: as the tool states it, else "object".
        renamed: New names of categories by those that the tool states.
        unlabelled: What a keypoint is that an object lacks: unknown, or absent.
        occluded: What a keypoint is that the annotator marked as hidden.
        mirror_words: Words of the left and the right side in keypoints' names.
        accept_rare_names: Whether a name that occurs in one image only is right, and absent in the
            others; it is else refused where unlabelled keypoints count as absent.
    """

    category: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    unlabelled: Literal["unknown", "absent"] = "unknown"
    occluded: Literal["visible", "absent"] = "visible"
    mirror_words: tuple[str, str] | None = None
    accept_rare_names: bool = False


@dataclass(frozen=True, slots=True)
class LocatedObject:
    """
    Args:
        file: The image on this machine.
        image_id: Of the photograph; objects of one photograph share it.
        size: Width and height of the pixels that the keypoints refer to.
    """

    file: Path
    image_id: str
    size: tuple[int, int]
    annotated: AnnotatedObject


@dataclass(frozen=True, slots=True)
class ConvertedObject:
    """
    Args:
        points: By name; None where not visible, and missing where not labelled.
    """

    located: LocatedObject
    category: str
    points: dict[str, Point | None]
    box: Box | None


def keep_inside(
    annotated: AnnotatedObject, size: tuple[int, int], moved: list[str], report: Report
) -> AnnotatedObject:
    """The object with the keypoints that have a name and lie in the image; the others are unknown.

    Args:
        size: Width and height of the image.
        moved: Gets the places of keypoints that are moved to the edge of the image.
    """
    keypoints: dict[str, Keypoint] = {}
    for name, keypoint in annotated.keypoints.items():
        place = f"{annotated.place}, {name}"
        xy = None if keypoint.xy is None else move_inside(keypoint.xy, size)
        if not name:
            report.leave_out(Reason.NO_LABEL, annotated.place)
        elif keypoint.xy is not None and xy is None:
            report.leave_out(Reason.OUTSIDE, place)
        else:
            keypoints[name] = replace(keypoint, xy=xy)
            moved += [place] if xy != keypoint.xy else []
    return replace(annotated, keypoints=keypoints)


def move_inside(xy: Xy, size: tuple[int, int]) -> Xy | None:
    """The nearest point of the image; None where that is farther than 1 px in x or y."""
    x, y = min(max(xy[0], 0.0), float(size[0])), min(max(xy[1], 0.0), float(size[1]))
    return (x, y) if max(abs(x - xy[0]), abs(y - xy[1])) <= _MARGIN else None


def convert_object(item: LocatedObject, choices: Choices, report: Report) -> ConvertedObject | None:
    """None where too little of the object is left."""
    place, points = item.annotated.place, dict[str, Point | None]()
    for name, keypoint in item.annotated.keypoints.items():
        hidden = keypoint.occluded and choices.occluded == "absent"
        points[name] = None if hidden else keypoint.xy
    visible = [xy for xy in points.values() if xy is not None]
    box = _clip(item, report)
    if not visible:
        report.leave_out(Reason.NO_KEYPOINT, place)
        return None
    if box is None and len(set(visible)) < 2:
        report.leave_out(Reason.NO_SIZE, place)
        return None
    category = item.annotated.category or DEFAULT_CATEGORY
    category = choices.category or choices.renamed.get(category, category)
    return ConvertedObject(item, category, points, box)


def _clip(item: LocatedObject, report: Report) -> Box | None:
    """The part of the box that is in the image; None without one."""
    if item.annotated.box is None:
        return None
    x1, y1, x2, y2 = item.annotated.box
    box = max(x1, 0.0), max(y1, 0.0), min(x2, float(item.size[0])), min(y2, float(item.size[1]))
    if box[2] > box[0] and box[3] > box[1]:
        return box
    report.leave_out(Reason.BOX_WITHOUT_AREA, item.annotated.place)
    return None
