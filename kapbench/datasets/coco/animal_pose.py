"""Animal-Pose (Cao et al. 2019): cats, cows, dogs, horses and sheep with 20 keypoints.

No pairs were published. The annotations resemble COCO's, but images are a dictionary of file names
by id, boxes are x1, y1, x2, y2, and annotations have no ids.
"""

from pathlib import Path
from typing import Any

from kapbench.datasets import reading
from kapbench.datasets.coco.annotation import Strict
from kapbench.datasets.coco.file import CocoCategory, CocoFile, CocoImage, check_content
from kapbench.datasets.coco.objects import name_objects, read_object, without_copies
from kapbench.datasets.coco.photographs import name_photographs
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.fitting import AnnotatedObject, draw_pairs, list_other_boxes
from kapbench.datasets.pair_list import PairList
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.symmetry import mirror_by_name, pick_symmetry, symmetry
from kapbench.errors import KapbenchError
from kapbench.untrusted.strict_text import integer, parse_json, read_bytes

NAME = "animal-pose"
SOURCE = SOURCES[NAME]
PAIRS = 500
FIX = reading.fetch_hint(NAME, SOURCE.folder)


def animal_pose(
    split: str = "test",
    root: str | Path | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
    min_shared: int = 3,
    symmetry_file: str | None = None,
    same_photograph: bool = False,
    strict: bool = False,
) -> PairList:
    """Animal-Pose by our own pairs: `pairs` per animal, drawn with `seed`.

    T is the longer side of the target's box. Pairs are drawn from the annotations; those without
    photographs are left out. Several animals of a photograph are images of their own: NAME#N is the
    annotation with number N of the file, counted from 0.

    Args:
        split: test, the only one.
        root: The data root that holds the folder animalpose_keypoint_new, or that folder:
            keypoints.json, and the photographs in images.
        min_shared: Keypoints that must be visible in both images of a pair.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.
        same_photograph: Whether two animals of one photograph may be a pair.
        strict: Whether an annotation that cannot be used is an error; else it is left out, which a
            remark says.

    Raises:
        KapbenchError: another split, no photograph, or a file that cannot be understood.
    """
    reading.check_choice("split", split, ("test",), NAME)
    folder = reading.find_folder(root, SOURCE.folder)
    rule = PairRule(pairs, seed, min_shared, same_photograph)
    table = pick_symmetry(symmetry("quadruped", NAME), "quadruped", symmetry_file)
    path = folder / "keypoints.json"
    file = _read_file(path, strict)
    animals, n_without_box, copies = _list_animals(file, path, folder / "images")
    by_category: dict[str, list[AnnotatedObject]] = {}
    for animal in animals:
        by_category.setdefault(animal.view.category, []).append(animal)
    categories = sorted(by_category)
    absent = KapbenchError(
        "There is no photograph of Animal-Pose", place=folder / "images", fix=FIX
    )
    drawn = draw_pairs(
        [by_category[name] for name in categories], rule, table, absent, n_without_box=n_without_box
    )
    settings = (repr(rule), str(same_photograph), *reading.list_sizes(drawn.views))
    corrected = (*drawn.few_shared, *list_other_boxes(drawn.objects))
    return PairList(
        NAME,
        split,
        reading.hash_revision(
            [file.content, *(part.tobytes() for part in table), *settings, *corrected]
        ),
        *SOURCE.terms,
        drawn.pairs,
        drawn.paths,
        expected=tuple(categories),
        n_expected=drawn.n_expected,
        more_views=drawn.views,
        remarks=(*drawn.remarks, *file.remarks, *copies, *drawn.within),
        names={category.name: category.keypoints for category in file.categories.values()},
    )


class _File(Strict):
    images: dict[str, str]  # file name by id
    categories: list[CocoCategory]
    annotations: list[Any]


def _read_file(path: Path, strict: bool) -> CocoFile:
    """keypoints.json as a COCO file. KapbenchError as `open_coco`, and where sides do not fit."""
    content = read_bytes(path, FIX)
    file = reading.validate(_File, parse_json(content, path, nan=True), path)
    images = []
    for number, name in file.images.items():
        if (image_id := integer(number)) is None:
            raise reading.wrong_file(f"The id '{number[:40]}' of an image is not a number", path)
        images.append(CocoImage(id=image_id, file_name=name))
    _, twins = symmetry("quadruped", NAME)
    for category in file.categories:
        mirror = {
            k: twin for pair in mirror_by_name(category.keypoints) for k, twin in (pair, pair[::-1])
        }
        if [mirror.get(k, k) for k in range(len(category.keypoints))] != twins.tolist():
            raise reading.wrong_file(
                f"The keypoints of '{category.name}' are not the 20 of Animal-Pose in their order",
                path,
            )
    entries = [_as_coco(entry, i) for i, entry in enumerate(file.annotations)]
    return check_content(content, images, file.categories, entries, path, strict)


def _as_coco(entry: Any, number: int) -> Any:
    """The annotation with an id and with the box as x, y, width, height."""
    if not isinstance(entry, dict):
        return entry
    box = entry.get("bbox")
    if isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box):
        box = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    return entry | {"id": number, "bbox": box}


def _list_animals(
    file: CocoFile, path: Path, folder: Path
) -> tuple[list[AnnotatedObject], int, tuple[str, ...]]:
    """Animals before their photographs are read, how many lack a box, and remarks on copies."""
    names = name_photographs(file.images)
    distinct, copies, repeated = without_copies(file.annotations, names)
    animals, n_without_box = [], 0
    for annotation, image_id in zip(distinct, name_objects(distinct, names, path), strict=True):
        category = file.categories[annotation.category_id].name
        item = read_object(annotation, image_id, category, None, occluded=True)
        n_without_box += item.lacks_box
        if item.view is not None:
            photograph = folder / file.images[annotation.image_id].file_name
            has_box = annotation.box is not None
            animals.append(AnnotatedObject(item.view, photograph, has_box, item.n_outside))
    return animals, n_without_box, (*copies, *repeated)
