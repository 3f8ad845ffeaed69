"""Any COCO-keypoints file as a data set: `coco:FILE`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kapbench.datasets import reading as read
from kapbench.datasets.coco.file import CocoAnnotation, CocoCategory, CocoFile, open_coco, points_of
from kapbench.datasets.images import image_size, read_rgb, read_upright, upright_size
from kapbench.datasets.pair_list import Listed
from kapbench.datasets.pairing import PairRule, no_pairs
from kapbench.datasets.reading import counting_from_one
from kapbench.datasets.symmetry import (
    Symmetry,
    is_sound,
    mirror_by_name,
    of_table,
    read_override,
)
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View

FOLDERS = (".", "images", "../images", "../data", "..")  # of photographs, beside the file


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
) -> Listed:
    """Any COCO-keypoints file; each annotation with keypoints is a view, pairs are within category.

    T is the longer side of the target's box. Twins are the category's flip_pairs, else keypoints
    whose names differ in left and right; twins are one group.

    Args:
        path: The json file.
        split: test: a file is one split.
        images: Folder of the photographs; by default the file's own, or images or data beside it.
        pairs: Of each category, drawn with `seed`; none: all that share `min_shared` keypoints.
        occluded: Whether keypoints that are labelled but hidden count as shown.
        exif: Whether photographs are turned as EXIF says before points are looked up.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: a file that cannot be understood, or whose photographs are not there.
    """
    file_path = Path(path).expanduser()
    read.choose("split", split, ("test",), f"coco:{file_path.name}")
    rule = PairRule(n=pairs, seed=seed, min_shared=min_shared)
    file = open_coco(file_path, "give a COCO-keypoints json file: coco:FILE")
    views = Views.of(file, file_path, images, occluded, exif=exif)
    found = []
    contents: list[bytes | str] = [file.content, repr(rule), str((occluded, exif))]
    for number, category in sorted(file.categories.items()):
        groups, twins = symmetry_of(category, symmetry_file)
        contents += [groups.tobytes(), twins.tobytes()]
        found += [
            Pair(f"{s.image_id}>{t.image_id}", s, t, read.longer_side(t.bbox), groups, twins)
            for s, t in rule.draw(views.by_category.get(number, []))
        ]
    if not found:
        raise no_pairs(views.by_category.values(), min_shared, file_path, "min_shared")
    return Listed(
        f"coco.{file_path.stem}", split, read.revision(contents), "that of the file's photographs",
        "that of the file's makers", found, views.paths,
        read=read_upright if exif else read_rgb, remarks=views.remarks(file),
        more_views=[view for of in views.by_category.values() for view in of],
    )  # fmt: skip


def symmetry_of(category: CocoCategory, symmetry_file: str | None) -> Symmetry:
    """Groups and twins of a category."""
    n = len(category.keypoints)
    if symmetry_file is not None:
        return read_override(symmetry_file, category.name, n)
    mirror = [tuple(pair) for pair in category.flip_pairs or ()]
    mirror = mirror or list(mirror_by_name(category.keypoints))
    if not is_sound(n, mirror, mirror):
        raise KapbenchError(
            "flip_pairs that are not sound", place=f"category {category.name}",
            fix=f"give pairs of ids from 0 to {n - 1}, each in one pair",
        )  # fmt: skip
    return of_table(n, mirror, mirror)


@dataclass
class Views:
    """The annotated objects of a file, their photographs, and what looks wrong."""

    by_category: dict[int, list[View]] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    n_outside: int = 0
    n_beyond: int = 0  # boxes that reach beyond their image

    @classmethod
    def of(
        cls, file: CocoFile, path: Path, images: str | None, occluded: bool,
        wanted: Sequence[CocoAnnotation] | None = None, exif: bool = False,
    ) -> "Views":  # fmt: skip
        """
        Args:
            exif: Whether photographs, where the file does not say their size, are turned first.

        Raises:
            KapbenchError: a photograph that is not there; a box without area.
        """
        found = cls()
        kept = file.annotations if wanted is None else wanted
        folder = _folder(file, kept, path, images)
        size_of = upright_size if exif else image_size
        seen: dict[int, int] = {}
        for annotation in kept:
            seen[annotation.image_id] = seen.get(annotation.image_id, 0) + 1
        for annotation in kept:
            image = file.images[annotation.image_id]
            known = image.width is not None and image.height is not None
            size = (
                (image.width or 0, image.height or 0) if known
                else size_of(folder / image.file_name)
            )  # fmt: skip
            several = seen[annotation.image_id] > 1
            found._add(file, annotation, folder, size, several, occluded, path)
        return found

    def _add(
        self, file: CocoFile, annotation: CocoAnnotation, folder: Path, size: tuple[int, int],
        several: bool, occluded: bool, path: Path,
    ) -> None:  # fmt: skip
        place = f"{path}, annotation {annotation.id}"
        image = file.images[annotation.image_id]
        points, outside = points_of(annotation, size, occluded=occluded, place=place)
        x, y, width, height = annotation.bbox
        if not (width > 0 and height > 0):
            raise KapbenchError(
                f"box {annotation.bbox} has no area", place=place, fix="mend the file"
            )
        self.n_outside += outside
        self.n_beyond += x + width > size[0] + 1 or y + height > size[1] + 1
        if not points.visible.any():
            return
        name = str(Path(image.file_name).with_suffix(""))
        image_id = f"{name}#{annotation.id}" if several else name
        category = file.categories[annotation.category_id]
        view = View(image_id, category.name, size, (x, y, x + width, y + height), points)
        self.by_category.setdefault(category.id, []).append(view)
        self.paths[image_id] = folder / image.file_name

    def remarks(self, file: CocoFile) -> tuple[str, ...]:
        found = []
        if self.n_outside:
            found.append(
                f"{self.n_outside:,} keypoints lie outside their image: taken as not shown"
            )
        if file.annotations and self.n_beyond == len(file.annotations):
            found.append(
                "every box reaches beyond its image: COCO's are x, y, width, height; are these "
                "x1, y1, x2, y2?"
            )
        found += counting_from_one([v for of in self.by_category.values() for v in of])
        if file.n_left_out:
            found.append(f"{file.n_left_out:,} annotations are crowds or have no keypoints")
        return tuple(found)


def _folder(file: CocoFile, kept: Sequence[CocoAnnotation], path: Path, images: str | None) -> Path:
    """Where the photographs are: all of those that annotations need."""
    needed = sorted({file.images[a.image_id].file_name for a in kept})
    if not needed:
        raise KapbenchError("no annotation has keypoints", place=path, fix="give another file")
    tried = [Path(images).expanduser()] if images else [path.parent / f for f in FOLDERS]
    folder = next((f for f in tried if (f / needed[0]).is_file()), tried[0])
    lost = next((name for name in needed if not (folder / name).is_file()), None)
    if lost is not None:
        raise KapbenchError(
            f"no photograph {lost}", place=folder,
            fix="say where they are: --dataset-option images=FOLDER",
        )  # fmt: skip
    return folder
