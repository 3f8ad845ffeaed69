"""Annotated objects as images of their own: their ids, keypoints and boxes, and their copies."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kapbench.datasets import reading
from kapbench.datasets.coco.annotation import CocoAnnotation, labelled_points, read_points
from kapbench.errors import KapbenchError, agreeing, counted
from kapbench.types import View


class CocoObject(NamedTuple):
    """
    Args:
        view: None where no keypoint is visible, and where the object lacks a box.
        n_outside: Keypoints outside the image, which are not visible in the view.
        lacks_box: Whether it has no box and fewer than two distinct visible keypoints.
        has_other_box: Whether it has no box, and hidden or outer keypoints change the one that is
            taken from keypoints.
    """

    view: View | None
    n_outside: int
    lacks_box: bool
    has_other_box: bool


def read_object(
    annotation: CocoAnnotation,
    image_id: str,
    category: str,
    size: tuple[int, int] | None,
    *,
    occluded: bool,
) -> CocoObject:
    """
    Args:
        size: Width and height of the photograph; None: it is unknown, and the view has the
            smallest size that holds box and keypoints.
        occluded: Whether keypoints that are labelled but hidden count as visible.
    """
    points, n_outside = read_points(annotation, size, occluded=occluded)
    around = reading.box_of_points(points)
    box = annotation.box or around
    has_other_box = annotation.box is None and around != reading.box_of_points(
        labelled_points(annotation)
    )
    if box is None or not points.visible.any():
        lacks_box = box is None and bool(points.visible.any())
        return CocoObject(None, n_outside, lacks_box, has_other_box)
    view_size = reading.smallest_size(box, points) if size is None else size
    view = View(image_id, category, view_size, box, points)
    return CocoObject(view, n_outside, False, has_other_box)


def name_objects(
    annotations: Sequence[CocoAnnotation], names: Mapping[int, str], path: Path
) -> list[str]:
    """Id of each object: its photograph's name, and #ID where that shows several.

    Args:
        names: Name of each photograph, by the id of its record in the file.
        path: The file.

    Raises:
        KapbenchError: two objects have the same id.
    """
    n_objects = Counter(names[annotation.image_id] for annotation in annotations)
    ids = dict[str, None]()
    for annotation in annotations:
        name = names[annotation.image_id]
        image_id = f"{name}#{annotation.id}" if n_objects[name] > 1 else name
        if image_id in ids:
            raise KapbenchError(
                f"Two objects have the id '{image_id}'",
                place=path,
                fix="Rename the photograph whose name has a #",
            )
        ids[image_id] = None
    return list(ids)


def without_copies(
    annotations: Iterable[CocoAnnotation], names: Mapping[int, str]
) -> tuple[list[CocoAnnotation], tuple[str, ...], tuple[str, ...]]:
    """Annotations without those that repeat one of another record of the same file exactly.

    Args:
        names: As of `name_objects`.

    Returns:
        They, the remark on those that are left out, and the remark on those that repeat one of
        the same record, which are kept.
    """
    distinct, n_copies = list[CocoAnnotation](), 0
    records: dict[object, int] = {}
    for annotation in annotations:
        numbers = annotation.numbers
        numbers[numbers[:, 2] == 0] = 0
        name = names[annotation.image_id]
        content = name, annotation.category_id, annotation.box, numbers.tobytes()
        record = records.setdefault(content, annotation.image_id)
        if record == annotation.image_id:
            distinct.append(annotation)
        else:
            n_copies += 1
    n_repeated = len(distinct) - len(records)
    return distinct, _remark_on_copies(n_copies), _remark_on_repeated(n_repeated)


def _remark_on_copies(n: int) -> tuple[str, ...]:
    message = (
        f"{counted(n, 'annotation')} {agreeing('is', n)} left out because another record "
        "of the same file has the same category, box and keypoints"
    )
    return (message,) if n else ()


def _remark_on_repeated(n: int) -> tuple[str, ...]:
    message = (
        f"{counted(n, 'annotation')} {agreeing('has', n)} the category, box and keypoints "
        "of another in the same photograph: the object may be annotated twice"
    )
    return (message,) if n else ()
