"""MP-100 (Xu et al. 2022) with the pairs of MARCO: clothing, furniture, faces and animal bodies."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kapbench.datasets import reading
from kapbench.datasets.coco.annotation import CocoAnnotation
from kapbench.datasets.coco.dataset import find_symmetry
from kapbench.datasets.coco.file import CocoCategory, open_coco
from kapbench.datasets.coco.objects import read_object
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import PairList, name_pair, pair_by_box
from kapbench.datasets.symmetry import Symmetry
from kapbench.errors import KapbenchError, agreeing, counted
from kapbench.paths import list_files
from kapbench.types import Pair, View
from kapbench.untrusted.regular_files import is_file
from kapbench.untrusted.strict_text import parse_json, read_bytes

NAME, FOLDER, ALL = "mp-100", "mp100_all", "test"
SUBSETS = ("animal_body_unseen", "animal_face", "clothing", "furniture", "human_face")
LICENCE = "that of each of the data sets that MP-100 is made of"
CITATION = (
    "Xu, Jin, Zeng, Liu, Qian, Ouyang, Luo, Wang: Pose for Everything: Towards Category-Agnostic Pose "
    "Estimation. ECCV 2022 (pairs: MARCO, github.com/visinf/MARCO)"
)
FIX = (
    f"Prepare the folder {FOLDER} as MARCO's page on data says (github.com/visinf/MARCO), and point "
    "--data-root (KAPBENCH_DATA) at the folder that holds it"
)
_Object = tuple[str, int]  # file and number of the category


class _Line(BaseModel):
    model_config = ConfigDict(strict=True)

    src_file: str
    trg_file: str
    category_id: int


class _Lines(BaseModel):
    pairs: list[_Line]


def mp_100(
    split: str = ALL, root: str | Path | None = None, symmetry_file: str | None = None
) -> PairList:
    """MP-100 by MARCO's pairs; T is the longer side of the target's box.

    Keypoints are matched by their id. Mirror counterparts are keypoints whose names differ in left
    and right.

    Args:
        split: animal_body_unseen, animal_face, clothing, furniture or human_face; test: all of those
            whose pairs are present.
        root: The data root that holds the folder mp100_all, or that folder: mp100 (photographs),
            annotations and pairs.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: another split, missing files, or a file that cannot be understood.
    """
    reading.check_choice("split", split, (ALL, *SUBSETS), NAME)
    folder = reading.find_folder(root, FOLDER)
    of_lists, lines = _read_lists(folder, split)
    wanted = {(f, line.category_id) for _, _, line in lines for f in (line.src_file, line.trg_file)}
    objects = _Objects.read(folder, wanted)
    contents: list[bytes | str] = [*of_lists, *objects.contents]
    pairs, tables = list[Pair](), dict[int, Symmetry]()
    for category_id, category in sorted(objects.categories.items()):
        tables[category_id] = find_symmetry(category, symmetry_file)
        contents += [part.tobytes() for part in tables[category_id]]
    for number, place, line in lines:
        views = [objects.view(f, line.category_id, place) for f in (line.src_file, line.trg_file)]
        source, target = views
        if source and target:
            pair_id = f"{number}:{name_pair(source, target)}"
            pairs.append(pair_by_box(pair_id, source, target, tables[line.category_id]))
    if not pairs:
        raise KapbenchError("There is no photograph", place=folder / "mp100", fix=FIX)
    return PairList(
        NAME,
        split,
        reading.hash_revision([*contents, *reading.list_sizes(_views_of(pairs))]),
        LICENCE,
        CITATION,
        pairs,
        objects.paths,
        expected=tuple(sorted({objects.categories[line.category_id].name for _, _, line in lines})),
        n_expected=len(lines),
        remarks=objects.remarks,
        names={category.name: category.keypoints for category in objects.categories.values()},
    )


def _read_lists(folder: Path, split: str) -> tuple[list[bytes], list[tuple[str, str, _Line]]]:
    """Contents of the lists; id, place and images of each pair."""
    names = SUBSETS if split == ALL else (split,)
    lists = {name: folder / "pairs" / f"pairs_{name}.json" for name in names}
    present = {n: p for n, p in lists.items() if is_file(p)} if split == ALL else lists
    if not present:
        raise KapbenchError("There are no pairs", place=folder / "pairs", fix=FIX)
    contents = [read_bytes(path, FIX) for path in present.values()]
    lines = [
        (f"{name}:{number:05d}", f"{path}, pair {number}", line)
        for (name, path), content in zip(present.items(), contents, strict=True)
        for number, line in enumerate(_parse(content, path))
    ]
    return contents, lines


def _parse(content: bytes, path: Path) -> list[_Line]:
    return reading.validate(_Lines, {"pairs": parse_json(content, path)}, path).pairs


def _views_of(pairs: list[Pair]) -> Iterator[View]:
    return (view for pair in pairs for view in (pair.source, pair.target))


@dataclass
class _Objects:
    """The annotated objects of the wanted files, of the annotation files of all test splits.

    Args:
        annotations: By file and category, of the smallest id where the file has several.
        sizes: Width and height that the annotations state, by file.
    """

    folder: Path
    annotations: dict[_Object, CocoAnnotation] = field(default_factory=dict)
    categories: dict[int, CocoCategory] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    contents: list[bytes] = field(default_factory=list)
    paths: dict[str, Path] = field(default_factory=dict)
    _several: set[_Object] = field(default_factory=set)
    _outside: dict[str, int] = field(default_factory=dict)
    _views: dict[_Object, View | None] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, wanted: Collection[_Object]) -> "_Objects":
        """KapbenchError where there is no annotation file, or one cannot be understood."""
        objects = cls(folder)
        files = list_files(folder / "annotations", "*test*.json")
        if not files:
            raise KapbenchError(
                "There are no annotations of a test split", place=folder / "annotations", fix=FIX
            )
        for path in files:
            objects._add(path, wanted)
        return objects

    def view(self, file: str, category_id: int, place: str) -> View | None:
        """None where the photograph is missing.

        Raises:
            KapbenchError: the file has no annotation of the category, or none that can be shown.
        """
        key = (file, category_id)
        if key not in self.annotations:
            raise KapbenchError(
                f"There is no annotation of category {category_id} for the file '{file[:80]}'",
                place=place,
                fix="Use the pairs with the annotations that they were made for",
            )
        if key not in self._views:
            self._views[key] = self._read_view(key, place)
        return self._views[key]

    @property
    def remarks(self) -> tuple[str, ...]:
        n = len(self._several)
        several = (
            f"{counted(n, 'photograph')} {agreeing('has', n)} several annotated objects of the pair's "
            "category: the first counts"
        )
        outside = reading.remark_on_outside(sum(self._outside.values()))
        return (*outside, *((several,) if n else ()))

    def _add(self, path: Path, wanted: Collection[_Object]) -> None:
        coco = open_coco(path, FIX, strict=False)
        self.contents.append(coco.content)
        for annotation in coco.annotations:  # in order of their ids
            image = coco.images[annotation.image_id]
            key = (image.file_name, annotation.category_id)
            if key not in wanted:
                continue
            earlier = self.annotations.setdefault(key, annotation)
            if earlier.id != annotation.id:
                self._several.add(key)
            self.categories[annotation.category_id] = coco.categories[annotation.category_id]
            width, height = image.width, image.height
            self.sizes[image.file_name] = (width, height) if width and height else None

    def _read_view(self, key: _Object, place: str) -> View | None:
        file, category_id = key
        photograph = self.folder / "mp100" / file
        if not is_file(photograph):
            return None
        category = self.categories[category_id].name
        size = self.sizes[file] or image_size(photograph)
        image_id = str(Path(file).with_suffix(""))
        image_id = image_id if self.paths.get(image_id) is None else f"{image_id}#{category}"
        item = read_object(self.annotations[key], image_id, category, size, occluded=True)
        if item.view is None:
            raise KapbenchError(
                f"The annotation of the file '{file[:80]}' shows no keypoint", place=place, fix=FIX
            )
        self.paths[image_id] = photograph
        self._outside[image_id] = item.n_outside
        return item.view
