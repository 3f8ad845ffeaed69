"""The annotated objects of a COCO file, each an image of its own."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kapbench.datasets import reading
from kapbench.datasets.coco.annotation import CocoAnnotation, find_box, read_points
from kapbench.datasets.coco.file import CocoFile
from kapbench.datasets.coco.photographs import Photographs, open_photographs
from kapbench.errors import KapbenchError, counted
from kapbench.types import View


@dataclass
class Views:
    """Objects by category, their photographs by image id, and remarks on what was read."""

    by_category: dict[int, list[View]] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    follows_exif: bool = False
    remarks: tuple[str, ...] = ()
    identity_remarks: tuple[str, ...] = ()  # the last of them: what an id or an object is

    @classmethod
    def read(
        cls,
        file: CocoFile,
        path: Path,
        images: str | None,
        occluded: bool,
        exif: bool | None,
        wanted: Sequence[CocoAnnotation] | None = None,
    ) -> "Views":
        """
        Args:
            images: Folder of the photographs; None: they are looked for.
            exif: Whether EXIF orientations are followed; None: as keypoints and boxes fit.
            wanted: The annotations to read; None: all of the file.

        Raises:
            KapbenchError: as `open_photographs`; two objects that have the same id.
        """
        annotations = file.annotations if wanted is None else wanted
        photographs = open_photographs(file, annotations, path, images, exif)
        distinct, copies, repeated = _without_copies(annotations, photographs)
        n_objects = Counter(photographs.names[a.image_id] for a in distinct)
        views, n_outside = cls(follows_exif=photographs.follows_exif), 0
        for annotation in distinct:
            name = image_id = photographs.names[annotation.image_id]
            if n_objects[name] > 1:
                image_id += f"#{annotation.id}"
            if image_id in views.paths:
                raise KapbenchError(
                    f"Two objects have the id '{image_id}'",
                    place=path,
                    fix="Rename the photograph whose name has a #",
                )
            points, n = read_points(annotation, photographs.size(name), occluded=occluded)
            n_outside += n
            if points.visible.any():
                category = file.categories[annotation.category_id]
                size, box = photographs.size(name), find_box(annotation)
                view = View(image_id, category.name, size, box, points)
                views.by_category.setdefault(category.id, []).append(view)
                views.paths[image_id] = photographs.paths[name]
        views.identity_remarks = (*photographs.identity_remarks, *copies)
        views.remarks = (
            *reading.remark_on_outside(n_outside),
            *reading.remark_on_boxes(views.all, "x, y, width, height, not x1, y1, x2, y2"),
            *reading.remark_on_counting_from_one(views.all),
            *file.remarks,
            *photographs.remarks,
            *views.identity_remarks,
            *repeated,
        )
        return views

    @property
    def all(self) -> list[View]:
        return [view for views in self.by_category.values() for view in views]


def _without_copies(
    annotations: Iterable[CocoAnnotation], photographs: Photographs
) -> tuple[list[CocoAnnotation], tuple[str, ...], tuple[str, ...]]:
    """Annotations without those that repeat one of another record of the same file exactly.

    Returns:
        They, the remark on those that are left out, and the remark on those that repeat one of
        the same record, which are kept.
    """
    distinct, n_copies = list[CocoAnnotation](), 0
    records: dict[object, int] = {}
    for annotation in annotations:
        numbers = annotation.numbers
        numbers[numbers[:, 2] == 0] = 0
        name = photographs.names[annotation.image_id]
        content = name, annotation.category_id, find_box(annotation), numbers.tobytes()
        record = records.setdefault(content, annotation.image_id)
        if record == annotation.image_id:
            distinct.append(annotation)
        else:
            n_copies += 1
    n_repeated = len(distinct) - len(records)
    return distinct, _remark_on_copies(n_copies), _remark_on_repeated(n_repeated)


def _remark_on_copies(n: int) -> tuple[str, ...]:
    message = (
        f"{counted(n, 'annotation')} {'is' if n == 1 else 'are'} left out because another record "
        "of the same file has the same category, box and keypoints"
    )
    return (message,) if n else ()


def _remark_on_repeated(n: int) -> tuple[str, ...]:
    message = (
        f"{counted(n, 'annotation')} {'has' if n == 1 else 'have'} the category, box and keypoints "
        "of another in the same photograph: the object may be annotated twice"
    )
    return (message,) if n else ()
