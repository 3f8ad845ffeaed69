"""Any COCO-keypoints file as a data set: `coco:FILE`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kapbench.datasets import reading
from kapbench.datasets.coco.file import (
    CocoAnnotation,
    CocoCategory,
    CocoFile,
    open_coco,
    read_points,
)
from kapbench.datasets.images import image_size, read_rgb, read_upright, upright_size
from kapbench.datasets.pair_list import PairList, pair_by_box
from kapbench.datasets.pairing import PairRule, describe_no_pairs
from kapbench.datasets.symmetry import Symmetry, is_sound, mirror_by_name, of_table, read_symmetry
from kapbench.errors import KapbenchError
from kapbench.types import View

FOLDERS = (".", "images", "../images", "../data", "..")  # where photographs may be, from the file


def coco(
    path: str,
    split: str = "test",
    images: str | None = None,
    pairs: int | None = None,
    seed: int = 0,
    min_shared: int = 1,
    occluded: bool = True,
    exif: bool = False,
    symmetry_file: str | None = None,
) -> PairList:
    """Any COCO-keypoints file; each annotation with keypoints is an image of its category.

    T is the longer side of the target's box. Mirror counterparts are the category's flip_pairs,
    else keypoints whose names differ in left and right; counterparts are one part group.

    Args:
        path: The JSON file.
        split: test, as a file is one split.
        images: Folder of the photographs; by default that of the file, or images or data beside it.
        pairs: Per category, drawn with `seed`; None: all that share `min_shared` keypoints.
        occluded: Whether keypoints that are labelled but hidden count as visible.
        exif: Whether photographs are rotated as EXIF says; keypoints then refer to the rotated ones.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: a file that cannot be understood, or whose photographs are missing.
    """
    file_path = Path(path).expanduser()
    reading.check_choice("split", split, ("test",), f"coco:{file_path.name}")
    rule = PairRule(n=pairs, seed=seed, min_shared=min_shared)
    file = open_coco(file_path, "Give a COCO-keypoints JSON file: coco:FILE")
    views = Views.read(file, file_path, images, occluded, exif=exif)
    all_pairs = []
    contents: list[bytes | str] = [file.content, repr(rule), str((occluded, exif))]
    for number, category in sorted(file.categories.items()):
        table = find_symmetry(category, symmetry_file)
        contents += [part.tobytes() for part in table]
        all_pairs += [
            pair_by_box(f"{s.image_id}>{t.image_id}", s, t, table)
            for s, t in rule.draw(views.by_category.get(number, []))
        ]
    if not all_pairs:
        raise describe_no_pairs(views.by_category.values(), min_shared, file_path, "min_shared")
    return PairList(
        f"coco.{file_path.stem}",
        split,
        reading.hash_revision(contents),
        "that of the file's photographs",
        "that of the file's makers",
        all_pairs,
        views.paths,
        read=read_upright if exif else read_rgb,
        remarks=views.list_remarks(file),
        more_views=views.all,
    )


def find_symmetry(category: CocoCategory, symmetry_file: str | None) -> Symmetry:
    """Groups and mirror counterparts of a category."""
    n = len(category.keypoints)
    if symmetry_file is not None:
        return read_symmetry(symmetry_file, category.name, n)
    mirror = [tuple(pair) for pair in category.flip_pairs or ()]
    mirror = mirror or list(mirror_by_name(category.keypoints))
    if not is_sound(n, mirror, mirror):
        raise KapbenchError(
            "The flip_pairs are not consistent",
            place=f"category {category.name}",
            fix=f"Give pairs of ids from 0 to {n - 1}, each in one pair at most",
        )
    return of_table(n, mirror, mirror)


@dataclass
class Views:
    """The annotated objects of a file, their photographs, and how many keypoints were dropped."""

    by_category: dict[int, list[View]] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    n_outside: int = 0

    @classmethod
    def read(
        cls,
        file: CocoFile,
        path: Path,
        images: str | None,
        occluded: bool,
        wanted: Sequence[CocoAnnotation] | None = None,
        exif: bool = False,
    ) -> "Views":
        """
        Args:
            wanted: The annotations to read; None: all of the file.
            exif: Whether photographs whose size the file does not state are rotated first.

        Raises:
            KapbenchError: a missing photograph; a box without area.
        """
        views = cls()
        annotations = file.annotations if wanted is None else wanted
        folder = _find_photographs(file, annotations, path, images)
        n_objects = Counter(annotation.image_id for annotation in annotations)
        for annotation in annotations:
            image = file.images[annotation.image_id]
            if image.width is not None and image.height is not None:
                size = image.width, image.height
            else:
                size = (upright_size if exif else image_size)(folder / image.file_name)
            name = str(Path(image.file_name).with_suffix(""))
            if n_objects[annotation.image_id] > 1:
                name += f"#{annotation.id}"
            place = f"{path}, annotation {annotation.id}"
            points, n_outside = read_points(annotation, size, occluded=occluded, place=place)
            views.n_outside += n_outside
            x, y, width, height = annotation.bbox
            reading.check_box((x, y, x + width, y + height), place)
            if points.visible.any():
                category = file.categories[annotation.category_id]
                view = View(name, category.name, size, (x, y, x + width, y + height), points)
                views.by_category.setdefault(category.id, []).append(view)
                views.paths[name] = folder / image.file_name
        return views

    @property
    def all(self) -> list[View]:
        return [view for views in self.by_category.values() for view in views]

    def list_remarks(self, file: CocoFile) -> tuple[str, ...]:
        n = file.n_left_out
        left_out = f"{n:,} annotations are left out: they are crowds or have no keypoints"
        return (
            *reading.remark_on_outside(self.n_outside),
            *reading.remark_on_boxes(self.all, "x, y, width, height, not x1, y1, x2, y2"),
            *reading.remark_on_counting_from_one(self.all),
            *((left_out,) if n else ()),
        )


def _find_photographs(
    file: CocoFile, annotations: Sequence[CocoAnnotation], path: Path, images: str | None
) -> Path:
    """The folder of the photographs; it holds all that the annotations need."""
    needed = sorted({file.images[a.image_id].file_name for a in annotations})
    if not needed:
        raise KapbenchError(
            "The file has no annotation with keypoints", place=path, fix="Give another file"
        )
    folders = [Path(images).expanduser()] if images else [path.parent / f for f in FOLDERS]
    folder = next((f for f in folders if (f / needed[0]).is_file()), folders[0])
    missing = next((name for name in needed if not (folder / name).is_file()), None)
    if missing is not None:
        raise KapbenchError(
            f"There is no photograph {missing}",
            place=folder,
            fix="Name their folder: --dataset-option images=FOLDER",
        )
    return folder
