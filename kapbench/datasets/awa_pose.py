"""AwA-Pose (Banik et al. 2021): 36 quadrupeds of AwA2 with 39 keypoints; no pairs were published."""

import functools
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from kapbench.datasets import annotations as read
from kapbench.datasets.images import image_size
from kapbench.datasets.listed import Listed
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.sources import SOURCES
from kapbench.datasets.symmetry import read_override, symmetry
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View

NAME = "awa-pose"
SOURCE = SOURCES[NAME]
N_ANIMALS, PAIRS = 36, 200
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
        photographs: Whether animals without photographs are left out; without, all are there, and
            an image is the smallest that holds its box and keypoints.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/manifest.md.

    Raises:
        KapbenchError: another split, no photograph, or an annotation that cannot be understood.
    """
    read.choose("split", split, ("test",), NAME)
    folder = read.folder_of(root, SOURCE.folder)
    rule = PairRule(n=pairs, seed=seed, min_shared=min_shared)
    names = keypoint_names()
    groups, twins = (
        symmetry("quadruped", NAME) if symmetry_file is None
        else read_override(symmetry_file, "quadruped", len(names))
    )  # fmt: skip
    contents: list[bytes | str] = [repr(rule), str(photographs), groups.tobytes(), twins.tobytes()]
    found, paths, animals, everyone = [], dict[str, Path](), [], list[View]()
    for path in _files(folder):
        animals.append(path.stem)
        contents.append(read.read_bytes(path, FIX))
        views = []
        for view, photograph in _views(path, folder, photographs):
            views.append(view)
            if photographs:
                paths[view.image_id] = photograph
        everyone += views
        found += [
            Pair(_pair_id(s, t), s, t, read.longer_side(t.bbox), groups, twins)
            for s, t in rule.draw(views)
        ]
    if not found:
        raise KapbenchError(
            "no photograph of AwA2 is here", place=folder / "JPEGImages",
            fix=FIX + "; or --dataset-option photographs=false for the annotations alone",
        )  # fmt: skip
    return Listed(
        NAME, split, read.revision(contents), SOURCE.licence, SOURCE.citation, found, paths,
        expected=tuple(animals), more_views=everyone,
    )  # fmt: skip


def keypoint_names() -> tuple[str, ...]:
    """The 39 names, in the order of their ids."""
    return tuple(_known()["keypoints"])


def _files(folder: Path) -> list[Path]:
    found = sorted((folder / "Annotations_json").glob("*.json"))
    animals = [path for path in found if path.stem != SAMPLE]
    if not animals:
        raise KapbenchError("no annotations", place=folder / "Annotations_json", fix=FIX)
    return animals


def _views(path: Path, folder: Path, photographs: bool) -> Iterator[tuple[View, Path]]:
    content = read.read_json(read.read_bytes(path, FIX), path)
    if not isinstance(content, dict):
        raise KapbenchError("no images by name", place=path, fix=FIX)
    for name, animals in content.items():
        photograph = folder / "JPEGImages" / path.stem / f"{name}.jpg"
        if photographs and not photograph.is_file():
            continue
        size = image_size(photograph) if photographs else None
        for number, animal in sorted(animals.items()):
            place = f"{path}, {name}, {number}"
            image_id = f"{path.stem}/{name}" + ("" if number == "a1" else f"#{number}")
            view = _view(image_id, path.stem, animal, size, place)
            if view is not None:
                yield view, photograph


def _view(
    image_id: str, category: str, animal: Any, size: tuple[int, int] | None, place: str
) -> View | None:
    """One animal; None for one that shows no keypoint."""
    if not isinstance(animal, dict):
        raise KapbenchError("no keypoints by name", place=place, fix=FIX)
    names = keypoint_names()
    given = _renamed(animal, place)
    xy = np.array([_point(given.get(name, [-1, -1]), f"{place}, {name}") for name in names])
    points = read.keypoints(xy, ~(xy == -1).all(axis=1))
    if not points.visible.any():
        return None
    box = read.box_around(points)
    if "bbox" in animal:
        x1, y1, x2, y2 = _point(animal["bbox"], f"{place}, bbox", 4)
        box = (x1, y1, x2, y2)
    if read.longer_side(box) <= 0:
        raise KapbenchError(f"box {list(box)} has no area", place=place, fix="mend the file")
    return View(image_id, category, size or read.holding(box, points), box, points)


def _renamed(animal: Mapping[str, Any], place: str) -> dict[str, Any]:
    """By the 39 names. Where a keypoint is given by its name and misspelt, the name counts."""
    known = _known()
    found = {name: animal[name] for name in known["keypoints"] if name in animal}
    for key, value in animal.items():
        if key in found or key == "bbox" or key in known["unknown"]:
            continue
        if key not in known["misspelt"]:
            raise KapbenchError(
                f"unknown keypoint '{key}'", place=place,
                fix="keys are mapped in awa-pose_keypoints.json, never guessed",
            )  # fmt: skip
        if found.get(known["misspelt"][key], [-1, -1]) == [-1, -1]:
            found[known["misspelt"][key]] = value
    return found


def _point(value: Any, place: str, n: int = 2) -> list[float]:
    numeric = isinstance(value, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in value
    )
    if not numeric or len(value) != n:
        raise KapbenchError(
            f"'{value}' is no list of {n} numbers", place=place, fix="mend the file"
        )
    return [float(v) for v in value]


def _pair_id(source: View, target: View) -> str:
    return f"{source.image_id}>{target.image_id.rpartition('/')[2]}"


@functools.cache
def _known() -> dict[str, Any]:
    text = files("kapbench.datasets").joinpath("awa-pose_keypoints.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
