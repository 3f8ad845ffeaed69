"""AwA-Pose (Banik et al. 2021): 36 quadrupeds of AwA2 with 39 keypoints; no pairs were published."""

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kapbench.datasets import reading as read
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import Listed, pairs_here
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.symmetry import read_override, symmetry
from kapbench.errors import KapbenchError
from kapbench.types import Keypoints, View

NAME = "awa-pose"
SOURCE = SOURCES[NAME]
N_ANIMALS, PAIRS = 36, 200
_ABSENT, _FAR = [-1, -1], 1e9
SAMPLE = "sample"  # a file of two animals that others hold as well
FIX = read.get_it(NAME, SOURCE.folder)


def awa_pose(
    split: str = "test",
    root: str | Path | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
    min_shared: int = 3,
    photographs: bool = True,
    symmetry_file: str | None = None,
) -> Listed:
    """AwA-Pose by our own pairs: `pairs` an animal, drawn with `seed`.

    T is the longer side of the target's box; the keypoints' own box where an animal has none. An
    image of several animals is several views of one photograph: NAME#a2 is its second.

    Args:
        split: test, which is all there is.
        root: The data root that holds the folder AwA-Pose, or that folder: Annotations_json, and
            AwA2's JPEGImages beside it.
        min_shared: Keypoints that both images of a pair must show.
        photographs: Whether pairs without photographs are left out; without, all are there, and
            an image is the smallest that holds its box and keypoints.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: another split, no photograph, or an annotation that cannot be understood.
    """
    read.choose("split", split, ("test",), NAME)
    folder = read.folder_of(root, SOURCE.folder)
    rule = PairRule(n=pairs, seed=seed, min_shared=min_shared)
    tables = (
        symmetry("quadruped", NAME) if symmetry_file is None
        else read_override(symmetry_file, "quadruped", len(keypoint_names()))
    )  # fmt: skip
    contents: list[bytes | str] = [repr(rule), str(photographs), *map(np.ndarray.tobytes, tables)]
    drawn, n_outside = list[tuple[View, View]](), 0
    paths, here = dict[str, Path](), dict[str, View]()
    animals = _files(folder)
    for path in animals:
        content = read.read_bytes(path, FIX)
        contents.append(content)
        annotated = list(_animals(content, path, folder))
        drawn += rule.draw([animal.view for animal in annotated])
        kept = _photographed(annotated) if photographs else annotated
        here |= {animal.view.image_id: animal.view for animal in kept}
        n_outside += sum(animal.n_outside for animal in kept)
        if photographs:
            paths |= {animal.view.image_id: animal.photograph for animal in kept}
    found = pairs_here(drawn, here, tables)
    if not found:
        raise _no_photograph(folder)
    return Listed(
        NAME, split, read.revision([*contents, *read.seen(here.values())]), SOURCE.licence,
        SOURCE.citation, found, paths, expected=tuple(path.stem for path in animals),
        n_expected=len(drawn), more_views=list(here.values()), remarks=read.outside(n_outside),
    )  # fmt: skip


def _no_photograph(folder: Path) -> KapbenchError:
    return KapbenchError(
        "no photograph of AwA2 is here", place=folder / "JPEGImages",
        fix=FIX + "; or --dataset-option photographs=false for the annotations alone",
    )  # fmt: skip


def keypoint_names() -> tuple[str, ...]:
    """The 39 names, in the order of their ids."""
    return tuple(_known()["keypoints"])


def _files(folder: Path) -> list[Path]:
    found = sorted((folder / "Annotations_json").glob("*.json"))
    animals = [path for path in found if path.stem != SAMPLE]
    if not animals and any((folder / "Annotations").glob("*/*.pickle")):
        raise KapbenchError(
            "annotations are pickles, which kapbench does not open: docs/datasets/awa-pose.md says "
            "how to make Annotations_json of them", place=folder / "Annotations", fix=FIX,
        )  # fmt: skip
    if not animals:
        raise KapbenchError("no annotations", place=folder / "Annotations_json", fix=FIX)
    return animals


class _Animal(NamedTuple):
    view: View  # its image the smallest that holds it
    photograph: Path
    has_box: bool
    n_outside: int  # keypoints outside the image, which the view does not show


def _animals(content: bytes, path: Path, folder: Path) -> Iterator[_Animal]:
    images = read.read_json(content, path)
    if not isinstance(images, dict):
        raise KapbenchError("no images by name", place=path, fix="mend the file")
    category, photographs = path.stem, folder / "JPEGImages" / path.stem
    for name, animals in images.items():
        if not isinstance(animals, dict):
            raise KapbenchError("no animals by name", place=f"{path}, {name}", fix="mend the file")
        photograph = photographs / f"{name}.jpg"
        for number, animal in sorted(animals.items()):
            image_id = f"{category}/{name}" + ("" if number == "a1" else f"#{number}")
            points, n_outside = _points(animal, f"{path}, {name}, {number}")
            if points.visible.any():
                box = _box(animal, points, f"{path}, {name}, {number}")
                view = View(image_id, category, read.holding(box, points), box, points)
                yield _Animal(view, photograph, "bbox" in animal, n_outside)


def _photographed(animals: Sequence[_Animal]) -> list[_Animal]:
    """Those whose photographs are here, within them; one that shows nothing there is left out."""
    sizes: dict[Path, tuple[int, int]] = {}
    present = {
        folder: _names(folder) for folder in {animal.photograph.parent for animal in animals}
    }
    found = []
    for view, photograph, has_box, n_before in animals:
        if photograph.name not in present[photograph.parent]:
            continue
        size = sizes[photograph] = sizes.get(photograph) or image_size(photograph)
        points, n_outside = read.inside(view.keypoints, size)
        if points.visible.any():
            box = view.bbox if has_box or not n_outside else read.box_around(points)
            within = replace(view, size=size, keypoints=points, bbox=box)
            found.append(_Animal(within, photograph, has_box, n_before + n_outside))
    return found


def _names(folder: Path) -> frozenset[str]:
    return frozenset(entry.name for entry in folder.iterdir()) if folder.is_dir() else frozenset()


def _points(animal: Any, place: str) -> tuple[Keypoints, int]:
    """By id, and how many lie left of the image or above it."""
    if not isinstance(animal, dict):
        raise KapbenchError("no keypoints by name", place=place, fix="mend the file")
    given = _renamed(animal, place)
    values = [given.get(name, _ABSENT) for name in keypoint_names()]
    if not _all_points(values):
        values = [
            _point(value, f"{place}, {name}")
            for name, value in zip(keypoint_names(), values, strict=True)
        ]
    xy = np.array(values, np.float64)
    shown, right_below = (xy != -1).any(axis=1), (xy >= 0).all(axis=1)
    return read.keypoints(xy, np.asarray(right_below)), int((shown & ~right_below).sum())


def _box(animal: Mapping[str, Any], points: Keypoints, place: str) -> read.Box:
    box = read.box_around(points)
    if "bbox" in animal:
        x1, y1, x2, y2 = _point(animal["bbox"], f"{place}, bbox", 4)
        box = (x1, y1, x2, y2)
    if not (box[2] >= box[0] and box[3] >= box[1] and read.longer_side(box) > 0):
        raise KapbenchError(f"box {list(box)} has no area", place=place, fix="mend the file")
    return box


def _renamed(animal: Mapping[str, Any], place: str) -> dict[str, Any]:
    """By the 39 names. Where a keypoint is given by its name and misspelt, the name counts."""
    known = _known()
    found = {name: animal[name] for name in known["keypoints"] if name in animal}
    for key in animal.keys() - found.keys() - {"bbox"}:
        if key in known["unknown"]:
            continue
        if key not in known["misspelt"]:
            raise KapbenchError(
                f"unknown keypoint '{key}'", place=place,
                fix="keys are mapped in awa-pose_keypoints.json, never guessed",
            )  # fmt: skip
        if found.get(known["misspelt"][key], _ABSENT) == _ABSENT:
            found[known["misspelt"][key]] = animal[key]
    return found


def _all_points(values: Sequence[Any]) -> bool:
    """Whether each is a list of two finite numbers; told at once: there are 450,000."""
    if set(map(type, values)) != {list} or set(map(len, values)) != {2}:
        return False
    numbers = list(itertools.chain.from_iterable(values))
    return set(map(type, numbers)) <= {int, float} and max(numbers) < _FAR and min(numbers) > -_FAR


def _point(value: Any, place: str, n: int = 2) -> list[float]:
    numeric = isinstance(value, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < _FAR for v in value
    )
    if not numeric or len(value) != n:
        raise KapbenchError(
            f"'{value}' is no list of {n} numbers", place=place, fix="mend the file"
        )
    return [float(v) for v in value]


@functools.cache
def _known() -> dict[str, Any]:
    text = files("kapbench.datasets").joinpath("awa-pose_keypoints.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
