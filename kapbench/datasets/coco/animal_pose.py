"""Animal-Pose (Cao et al. 2019): cats, cows, dogs, horses and sheep with 20 keypoints.

No pairs were published. The annotations resemble COCO's, but images are a dictionary of file names
by id, boxes are x1, y1, x2, y2, and annotations have no ids.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from kapbench.datasets import reading
from kapbench.datasets.coco.annotation import Strict, find_box, read_points
from kapbench.datasets.coco.file import CocoCategory, CocoFile, CocoImage, check_content
from kapbench.datasets.coco.photographs import name_photographs
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import PairList, pair_present
from kapbench.datasets.pairing import PairRule, group_by_category, remark_on_one_photograph
from kapbench.datasets.symmetry import mirror_by_name, pick_symmetry, symmetry
from kapbench.errors import KapbenchError
from kapbench.types import View

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
    file = _read_file(folder / "keypoints.json", strict)
    animals = {animal.view.image_id: animal for animal in _list_animals(file, folder / "images")}
    by_category = group_by_category(animal.view for animal in animals.values())
    photographs = {name: animal.photograph for name, animal in animals.items()}
    drawn = [rule.draw(of, photographs=photographs) for _, of in sorted(by_category.items())]
    n_within = sum(of_category.n_within for of_category in drawn)
    present = {animal.view.image_id: animal for animal in _fit_photographs(animals.values())}
    views = {name: animal.view for name, animal in present.items()}
    pairs_present = pair_present((pair for pairs in drawn for pair in pairs), views, table)
    if not pairs_present:
        raise KapbenchError(
            "There is no photograph of Animal-Pose", place=folder / "images", fix=FIX
        )
    settings = (repr(rule), str(same_photograph), *reading.list_sizes(views.values()))
    return PairList(
        NAME,
        split,
        reading.hash_revision([file.content, *(part.tobytes() for part in table), *settings]),
        *SOURCE.terms,
        pairs_present,
        {name: photographs[name] for name in present},
        expected=tuple(sorted(by_category)),
        n_expected=sum(len(of_category.pairs) for of_category in drawn),
        more_views=list(views.values()),
        remarks=(
            *reading.remark_on_outside(sum(animal.n_outside for animal in present.values())),
            *file.remarks,
            *remark_on_one_photograph(n_within),
        ),
    )


class _File(Strict):
    images: dict[str, str]  # file name by id
    categories: list[CocoCategory]
    annotations: list[Any]


def _read_file(path: Path, strict: bool) -> CocoFile:
    """keypoints.json as a COCO file. KapbenchError as `open_coco`, and where sides do not fit."""
    content = reading.read_bytes(path, FIX)
    file = reading.validate(_File, reading.parse_json(content, path, nan=True), path)
    images = []
    for number, name in file.images.items():
        if not number.isdecimal():
            raise reading.wrong_file(f"The id '{number}' of an image is not a number", path)
        images.append(CocoImage(id=int(number), file_name=name))
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


class _Animal(NamedTuple):
    view: View  # of the smallest size that holds box and keypoints, until the photograph is read
    photograph: Path
    n_outside: int  # keypoints outside the image, which are not visible in the view


def _list_animals(file: CocoFile, folder: Path) -> Iterator[_Animal]:
    names = name_photographs(file.images)
    n_animals = Counter(annotation.image_id for annotation in file.annotations)
    for annotation in file.annotations:
        photograph = file.images[annotation.image_id].file_name
        image_id = names[annotation.image_id]
        if n_animals[annotation.image_id] > 1:
            image_id += f"#{annotation.id}"
        points, n_outside = read_points(annotation, None, occluded=True)
        if points.visible.any():
            category, box = file.categories[annotation.category_id].name, find_box(annotation)
            size = reading.smallest_size(box, points)
            yield _Animal(
                View(image_id, category, size, box, points), folder / photograph, n_outside
            )


def _fit_photographs(animals: Iterable[_Animal]) -> Iterator[_Animal]:
    """Those whose photograph exists and shows a keypoint, with the size of the photograph."""
    sizes: dict[Path, tuple[int, int]] = {}
    for view, photograph, n_before in animals:
        if photograph not in sizes and not photograph.is_file():
            continue
        size = sizes[photograph] = sizes.get(photograph) or image_size(photograph)
        points, n_outside = reading.drop_outside(view.keypoints, size)
        if points.visible.any():
            fitted = replace(view, size=size, keypoints=points)
            yield _Animal(fitted, photograph, n_before + n_outside)
