"""Whether the keypoints of an export refer to images as EXIF says that they are shown."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from kapbench.datasets.converting.annotations import Xy
from kapbench.datasets.converting.convert_objects import move_inside
from kapbench.datasets.converting.locate import LocatedPhotograph
from kapbench.datasets.converting.report import Report
from kapbench.datasets.images import Header
from kapbench.datasets.orientation import follows_exif
from kapbench.errors import KapbenchError

Exif = Literal["auto", "upright", "stored"]


def decide_exif(located: Sequence[LocatedPhotograph], exif: Exif, report: Report) -> bool:
    """Whether the images are to be rotated as EXIF says; the report then says why.

    Args:
        exif: "auto" decides by the keypoints and the boxes, see
            kapbench.datasets.orientation.

    Raises:
        KapbenchError: neither decides.
    """
    if exif != "auto":
        return exif == "upright"
    keypoints, boxes = [], []
    for item in located:
        for annotated in item.photograph.objects:
            points = [point.xy for point in annotated.keypoints.values() if point.xy is not None]
            xy = np.array([_without_margin(xy, item.header) for xy in points], np.float64)
            corners = np.array(annotated.box or (), np.float64)
            keypoints.append((item.file, item.header, xy.reshape(-1, 2)))
            boxes.append((item.file, item.header, corners.reshape(-1, 2)))
    try:
        follows, remarks = follows_exif(keypoints, boxes, "--exif")
    except KapbenchError as error:
        raise KapbenchError(
            error.thing,
            place=error.place,
            fix="Add --exif upright if the tool showed the images rotated, as browsers do, and "
            "--exif stored if not",
        ) from error
    report.notes += [f"{remark}." for remark in remarks]
    return follows


def _without_margin(xy: Xy, header: Header) -> Xy:
    """A keypoint that either reading would move to the edge of the image lies in that reading."""
    for size in (header.stored, header.upright):
        xy = move_inside(xy, size) or xy
    return xy
