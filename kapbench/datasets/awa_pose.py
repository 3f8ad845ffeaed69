"""AwA-Pose (Banik et al. 2021): 36 quadrupeds of AwA2 with 39 keypoints and no published pairs."""

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import PairList, pair_present
from kapbench.datasets.pairing import DrawnPairs, PairRule, remark_on_one_photograph
from kapbench.datasets.symmetry import pick_symmetry, symmetry
from kapbench.errors import KapbenchError, documentation
from kapbench.paths import list_files
from kapbench.types import Keypoints, View

NAME = "awa-pose"
SOURCE = SOURCES[NAME]
PAIRS = 200
NOT_ANNOTATED, _FAR = [-1, -1], 1e9
SAMPLE = "sample"  # a file that repeats two animals of other files
FIX = reading.fetch_hint(NAME, SOURCE.folder)


def awa_pose(
    split: str = "test",
    root: str | Path | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
    min_shared: int = 3,
    photographs: bool = True,
    symmetry_file: str | None = None,
    same_photograph: bool = False,
) -> PairList:
    """AwA-Pose by our own pairs: `pairs` per animal, drawn with `seed`.

    T is the longer side of the target's box; an animal without a box gets that of its keypoints. A
    photograph of several animals is several images: NAME#a2 is the second.

    Args:
        split: test, the only one.
        root: The data root that holds the folder AwA-Pose, or that folder: Annotations_json, and
            AwA2's JPEGImages beside it.
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
    rule = PairRule(pairs, seed, min_shared, same_photograph)
    table = pick_symmetry(symmetry("quadruped", NAME), "quadruped", symmetry_file)
    contents: list[bytes | str] = [repr(rule), str(photographs), *map(np.ndarray.tobytes, table)]
    drawn, n_outside, n_within = list[tuple[View, View]](), 0, 0
    paths, present = dict[str, Path](), dict[str, View]()
    files = _list_files(folder)
    for path in files:
        content = reading.read_bytes(path, FIX)
        contents.append(content)
        annotated = list(_parse_animals(content, path, folder))
        of_animal = _draw_pairs(rule, annotated)
        drawn += of_animal
        n_within += of_animal.n_within
        kept = _fit_photographs(annotated) if photographs else annotated
        present |= {animal.view.image_id: animal.view for animal in kept}
        n_outside += sum(animal.n_outside for animal in kept)
        if photographs:
            paths |= {animal.view.image_id: animal.photograph for animal in kept}
    pairs_present = pair_present(drawn, present, table)
    if not pairs_present:
        raise _describe_no_photograph(folder)
    remarks = remark_on_one_photograph(n_within)
    contents += ["without pairs within a photograph"] * len(remarks)
    return PairList(
        NAME,
        split,
        reading.hash_revision([*contents, *reading.list_sizes(present.values())]),
        *SOURCE.terms,
        pairs_present,
        paths,
        expected=tuple(path.stem for path in files),
        n_expected=len(drawn),
        more_views=list(present.values()),
        remarks=(*reading.remark_on_outside(n_outside), *remarks),
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


class _Animal(NamedTuple):
    view: View  # of the smallest size that holds box and keypoints, until the photograph is read
    photograph: Path
    has_box: bool
    n_outside: int  # keypoints outside the image, which are not visible in the view


def _parse_animals(content: bytes, path: Path, folder: Path) -> Iterator[_Animal]:
    images = _check_mapping(reading.parse_json(content, path), path)
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
                yield _Animal(view, photograph, "bbox" in animal, n_outside)


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


def _draw_pairs(rule: PairRule, animals: Sequence[_Animal]) -> DrawnPairs:
    photographs = {animal.view.image_id: animal.photograph for animal in animals}
    return rule.draw([animal.view for animal in animals], photographs=photographs)


def _fit_photographs(animals: Sequence[_Animal]) -> list[_Animal]:
    """Those whose photograph exists and shows a keypoint, with the size of the photograph."""
    sizes: dict[Path, tuple[int, int]] = {}
    names = {
        folder: reading.list_names(folder) for folder in {a.photograph.parent for a in animals}
    }
    fitted = []
    for view, photograph, has_box, n_before in animals:
        if photograph.name not in names[photograph.parent]:
            continue
        size = sizes[photograph] = sizes.get(photograph) or image_size(photograph)
        points, n_outside = reading.drop_outside(view.keypoints, size)
        if points.visible.any():
            box = view.bbox if has_box or not n_outside else reading.box_around(points)
            fitted_view = replace(view, size=size, keypoints=points, bbox=box)
            fitted.append(_Animal(fitted_view, photograph, has_box, n_before + n_outside))
    return fitted


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
