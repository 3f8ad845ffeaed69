"""AwA-Pose (Banik et al. 2021): 36 quadrupeds of AwA2 with 39 keypoints."""

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kapbench.datasets import reading
from kapbench.datasets.demystifying import DEMYSTIFYING, Drawn, ScoredLines, in_category
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.fitting import AnnotatedObject, draw_pairs, fit_photographs
from kapbench.datasets.pair_list import PairList
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.symmetry import Symmetry, pick_symmetry, symmetry
from kapbench.errors import KapbenchError, documentation
from kapbench.paths import list_files
from kapbench.types import Keypoints, View
from kapbench.untrusted.strict_text import parse_json, read_bytes

NAME = "awa-pose"
SOURCE = SOURCES[NAME]
PAIRS = 200
NOT_ANNOTATED, _FAR = [-1, -1], 1e9
SAMPLE = "sample"  # a file that repeats two animals of other files
FIX = reading.fetch_hint(NAME, SOURCE.folder)


def awa_pose(
    split: str = "test",
    root: str | Path | None = None,
    pairs: Drawn = PAIRS,
    seed: int = 0,
    min_shared: int = 3,
    photographs: bool = True,
    symmetry_file: str | None = None,
    same_photograph: bool = False,
) -> PairList:
    """AwA-Pose by our own pairs, `pairs` per animal drawn with `seed`, or by those of Demystifying.

    T is the longer side of the target's box; an animal without a box gets that of its keypoints. A
    photograph of several animals is several images: NAME#a2 is the second.

    Args:
        split: test, the only one.
        root: The data root that holds the folder AwA-Pose, or that folder: Annotations_json, and
            AwA2's JPEGImages beside it.
        pairs: Per animal; or demystifying, its published list, whose pairs join any two animals;
            `seed`, `min_shared` and `same_photograph` are then not read.
        min_shared: Keypoints that must be visible in both images of a pair.
        photographs: Whether pairs without photographs are left out. False keeps all pairs; an
            image then has the smallest size that holds its box and keypoints.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.
        same_photograph: Whether two animals of one photograph may be a pair.

    Raises:
        KapbenchError: another split, no photograph, or an annotation that cannot be understood.
    """
    reading.check_choice("split", split, ("test",), NAME)
    folder = reading.find_folder(root, SOURCE.folder)
    table = pick_symmetry(symmetry("quadruped", NAME), "quadruped", symmetry_file)
    if isinstance(pairs, str):
        return _listed(folder, table, photographs=photographs)
    rule = PairRule(pairs, seed, min_shared, same_photograph)
    contents: list[bytes | str] = [repr(rule), str(photographs), *map(np.ndarray.tobytes, table)]
    files, categories = _list_files(folder), list[list[AnnotatedObject]]()
    for path in files:
        content = read_bytes(path, FIX)
        contents.append(content)
        categories.append(list(_parse_animals(content, path, folder)))
    absent = _describe_no_photograph(folder)
    drawn = draw_pairs(categories, rule, table, absent, photographs=photographs)
    contents += ["without pairs within a photograph"] * len(drawn.within)
    contents += [*reading.list_sizes(drawn.views), *drawn.few_shared]
    return PairList(
        NAME,
        split,
        reading.hash_revision(contents),
        *SOURCE.terms,
        drawn.pairs,
        drawn.paths if photographs else {},
        expected=tuple(path.stem for path in files),
        n_expected=drawn.n_expected,
        more_views=drawn.views,
        remarks=(*drawn.remarks, *drawn.within),
        names={path.stem: keypoint_names() for path in files},
    )


demystifying = functools.partial(awa_pose, pairs=DEMYSTIFYING)


def _listed(folder: Path, table: Symmetry, *, photographs: bool) -> PairList:
    """The list of Demystifying, which pairs the first animal of each photograph."""
    scored = ScoredLines.read(NAME, folder)
    contents: list[bytes | str] = [
        scored.content,
        str(photographs),
        *map(np.ndarray.tobytes, table),
    ]
    objects, names = list[AnnotatedObject](), scored.names
    for path in _list_files(folder):
        content = read_bytes(path, FIX)
        contents.append(content)
        animals = _parse_animals(content, path, folder)
        objects += [o for o in animals if f"{o.view.image_id}.jpg" in names]
    known = {o.view.image_id for o in objects}
    fitted = fit_photographs(objects)[0] if photographs else objects
    views = in_category({o.view.image_id: o.view for o in fitted}, "quadruped")
    pairs = scored.pairs(views, known, lambda name: name.removesuffix(".jpg"), table)
    if not pairs:
        raise _describe_no_photograph(folder)
    contents += reading.list_sizes(views.values())
    return PairList(
        scored.name,
        "test",
        reading.hash_revision(contents),
        *SOURCE.terms,
        pairs,
        {o.view.image_id: o.photograph for o in fitted} if photographs else {},
        n_expected=len(scored.lines),
        remarks=(*reading.remark_on_outside(sum(o.n_outside for o in fitted)), *scored.remarks),
        names={"quadruped": keypoint_names()},
    )


def keypoint_names() -> tuple[str, ...]:
    """The 39 names, in the order of their ids."""
    return tuple(_load_names()["keypoints"])


def _list_files(folder: Path) -> list[Path]:
    """The annotation file of each animal."""
    paths = list_files(folder / "Annotations_json", "*.json")
    animals = [path for path in paths if path.stem != SAMPLE]
    if not animals and list_files(folder / "Annotations", "*/*.pickle"):
        raise KapbenchError(
            "The annotations are pickles, which kapbench does not open because they can run code",
            place=folder / "Annotations",
            fix="Convert them to Annotations_json as this page shows: "
            f"{documentation('datasets/awa-pose.md')}. {FIX}",
        )
    if not animals:
        raise KapbenchError("There are no annotations", place=folder / "Annotations_json", fix=FIX)
    return animals


def _parse_animals(content: bytes, path: Path, folder: Path) -> Iterator[AnnotatedObject]:
    images = _check_mapping(parse_json(content, path), path)
    category, photographs = path.stem, folder / "JPEGImages" / path.stem
    for name, animals in images.items():
        photograph = photographs / f"{name}.jpg"
        for number, animal in sorted(_check_mapping(animals, f"{path}, {name}").items()):
            place = f"{path}, {name}, {number}"
            image_id = f"{category}/{name}" + ("" if number == "a1" else f"#{number}")
            points, n_outside = _parse_points(_check_mapping(animal, place), place)
            if points.visible.any():
                box = _parse_box(animal, points, place)
                view = View(image_id, category, reading.smallest_size(box, points), box, points)
                yield AnnotatedObject(view, photograph, "bbox" in animal, n_outside)


def _check_mapping(content: Any, place: object) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise reading.wrong_file("The entry is not a JSON object", place)
    return content


def _describe_no_photograph(folder: Path) -> KapbenchError:
    return KapbenchError(
        "There is no photograph of AwA2",
        place=folder / "JPEGImages",
        fix=f"{FIX}; for the annotations only, add --dataset-option photographs=false",
    )


def _parse_points(animal: Mapping[str, Any], place: str) -> tuple[Keypoints, int]:
    """Keypoints by id, and how many lie left of the image or above it."""
    by_name = _correct_names(animal, place)
    values = [by_name.get(name, NOT_ANNOTATED) for name in keypoint_names()]
    if not _are_points(values):
        values = [
            _check_numbers(value, f"{place}, {name}")
            for name, value in zip(keypoint_names(), values, strict=True)
        ]
    xy = np.array(values, np.float64)
    annotated, inside = (xy != -1).any(axis=1), np.asarray((xy >= 0).all(axis=1))
    return reading.make_keypoints(xy, inside), int((annotated & ~inside).sum())


def _parse_box(animal: Mapping[str, Any], points: Keypoints, place: str) -> reading.Box:
    box = reading.box_around(points)
    if "bbox" in animal:
        x1, y1, x2, y2 = _check_numbers(animal["bbox"], f"{place}, bbox", 4)
        box = (x1, y1, x2, y2)
    if not (box[2] >= box[0] and box[3] >= box[1] and reading.longer_side(box) > 0):
        raise reading.wrong_file(f"The box {list(box)} has no area", place)
    return box


def _correct_names(animal: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Values by the 39 names. A misspelt key counts where its keypoint has no correct one."""
    known = _load_names()
    values = {name: animal[name] for name in known["keypoints"] if name in animal}
    for key in animal.keys() - values.keys() - {"bbox"}:
        if key in known["unknown"]:
            continue
        if key not in known["misspelt"]:
            raise KapbenchError(
                f"The keypoint '{key}' is unknown",
                place=place,
                fix="Correct the key: only those in awa-pose_keypoints.json are known",
            )
        if values.get(known["misspelt"][key], NOT_ANNOTATED) == NOT_ANNOTATED:
            values[known["misspelt"][key]] = animal[key]
    return values


def _are_points(values: Sequence[Any]) -> bool:
    """Whether each is a list of two finite numbers; checked together, as there are 450,000."""
    if set(map(type, values)) != {list} or set(map(len, values)) != {2}:
        return False
    numbers = list(itertools.chain.from_iterable(values))
    return set(map(type, numbers)) <= {int, float} and max(numbers) < _FAR and min(numbers) > -_FAR


def _check_numbers(value: Any, place: str, n: int = 2) -> list[float]:
    numeric = isinstance(value, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < _FAR for v in value
    )
    if not numeric or len(value) != n:
        raise reading.wrong_file(f"'{value}' is not a list of {n} numbers", place)
    return [float(v) for v in value]


@functools.cache
def _load_names() -> dict[str, Any]:
    text = resources.files("kapbench.datasets").joinpath("awa-pose_keypoints.json")
    content: dict[str, Any] = json.loads(text.read_text("utf-8"))
    return content
