"""The annotated objects of a COCO file, each an image of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kapbench.datasets import reading
from kapbench.datasets.coco.annotation import CocoAnnotation
from kapbench.datasets.coco.file import CocoFile
from kapbench.datasets.coco.objects import name_objects, read_object, without_copies
from kapbench.datasets.coco.photographs import open_photographs
from kapbench.types import View


@dataclass
class Views:
    """Objects by category, their photographs by image id, and remarks on what was read."""

    by_category: dict[int, list[View]] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    follows_exif: bool = False
    has_other_boxes: bool = False  # hidden or outer keypoints change a box taken from keypoints
    remarks: tuple[str, ...] = ()
    identity_remarks: tuple[str, ...] = ()  # the last of them: what an id or an object is

    @classmethod
    def read(
        cls,
        file: CocoFile,
        path: Path,
        images: str | None,
        *,
        occluded: bool,
        exif: bool | None,
        wanted: Sequence[CocoAnnotation] | None = None,
    ) -> "Views":
        """
        Args:
            images: Folder of the photographs; None: they are looked for.
            occluded: Whether keypoints that are labelled but hidden count as visible.
            exif: Whether EXIF orientations are followed; None: as keypoints and boxes fit.
            wanted: The annotations to read; None: all of the file.

        Raises:
            KapbenchError: as `open_photographs`; two objects that have the same id.
        """
        annotations = file.annotations if wanted is None else wanted
        photographs = open_photographs(file, annotations, path, images, exif)
        distinct, copies, repeated = without_copies(annotations, photographs.names)
        views, n_outside, n_without_box = cls(follows_exif=photographs.follows_exif), 0, 0
        ids = name_objects(distinct, photographs.names, path)
        for annotation, image_id in zip(distinct, ids, strict=True):
            name = photographs.names[annotation.image_id]
            category = file.categories[annotation.category_id]
            item = read_object(
                annotation, image_id, category.name, photographs.size(name), occluded=occluded
            )
            n_outside += item.n_outside
            n_without_box += item.lacks_box
            views.has_other_boxes |= item.has_other_box
            if item.view is not None:
                views.by_category.setdefault(category.id, []).append(item.view)
                views.paths[image_id] = photographs.paths[name]
        views.identity_remarks = (*photographs.identity_remarks, *copies)
        views.remarks = (
            *reading.remark_on_outside(n_outside),
            *reading.remark_on_no_box(n_without_box),
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
