"""One COCO-keypoints file, checked at the door: images, categories, annotations by their ids."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt

from kapbench.datasets import reading as read
from kapbench.errors import KapbenchError
from kapbench.types import Keypoints

_Visibility = ("not labelled", "labelled but hidden", "labelled and visible")


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class CocoImage(_Strict):
    id: int
    file_name: Annotated[str, Field(min_length=1)]
    width: PositiveInt | None = None
    height: PositiveInt | None = None


class CocoCategory(_Strict):
    id: int
    name: Annotated[str, Field(min_length=1)]
    supercategory: str | None = None
    keypoints: list[str]
    flip_pairs: list[list[int]] | None = None


class CocoAnnotation(_Strict):
    id: int
    image_id: int
    category_id: int
    bbox: list[FiniteFloat] = Field(min_length=4, max_length=4)  # x, y, width, height
    keypoints: list[FiniteFloat] = []  # x, y, visibility of each
    iscrowd: int = 0


class _File(_Strict):
    images: list[CocoImage]
    categories: list[CocoCategory]
    annotations: list[CocoAnnotation]


@dataclass(frozen=True)
class CocoFile:
    """What a file holds; annotations in order of their ids, without crowds and without keypoints."""

    content: bytes
    images: dict[int, CocoImage]
    categories: dict[int, CocoCategory]
    annotations: list[CocoAnnotation]
    n_left_out: int


def open_coco(path: Path, fix: str) -> CocoFile:
    """
    Raises:
        KapbenchError: no such file; a key that is missing, or of a wrong type; an id that stands
            twice, or that nothing has; a list of keypoints of a wrong length.
    """
    content = read.read_bytes(path, fix)
    given: Any = read.read_json(content, path)
    if isinstance(given, dict) and isinstance(given.get("categories", []), list):
        given = given | {"categories": [_complete(c) for c in given.get("categories", [])]}
    file = read.parsed(_File, given, path)
    images = _by_id(file.images, "images", path)
    categories = _by_id(file.categories, "categories", path)
    annotations = _by_id(file.annotations, "annotations", path)
    kept = []
    for number in sorted(annotations):
        found = annotations[number]
        place = f"{path}, annotation {number}"
        if found.image_id not in images:
            raise KapbenchError(f"no image {found.image_id}", place=place, fix="mend the file")
        if found.category_id not in categories:
            raise KapbenchError(
                f"no category {found.category_id}", place=place, fix="mend the file"
            )
        if found.iscrowd or not any(found.keypoints[2::3]):
            continue
        expected = 3 * len(categories[found.category_id].keypoints)
        if len(found.keypoints) != expected:
            raise KapbenchError(
                f"{len(found.keypoints)} numbers of keypoints, its category has {expected}",
                place=place, fix="give x, y and visibility of each keypoint",
            )  # fmt: skip
        kept.append(found)
    return CocoFile(content, images, categories, kept, len(annotations) - len(kept))


def points_of(
    found: CocoAnnotation, size: tuple[int, int], *, occluded: bool, place: str
) -> tuple[Keypoints, int]:
    """Keypoints, those labelled but hidden among them if asked for; and how many lie outside.

    A keypoint outside the image is taken as not shown.
    """
    numbers: Float[np.ndarray, "K 3"] = np.array(found.keypoints, np.float64).reshape(-1, 3)
    if not np.isin(numbers[:, 2], (0, 1, 2)).all():
        raise KapbenchError(
            f"visibility {numbers[~np.isin(numbers[:, 2], (0, 1, 2)), 2][0]:g}", place=place,
            fix="; ".join(f"{i}: {word}" for i, word in enumerate(_Visibility)),
        )  # fmt: skip
    shown = numbers[:, 2] >= (1 if occluded else 2)
    inside = ((numbers[:, :2] >= 0) & (numbers[:, :2] <= np.array(size))).all(axis=1)
    return read.keypoints(numbers[:, :2], shown & inside), int((shown & ~inside).sum())


def _complete(category: Any) -> Any:
    """Categories without keypoints stand in files of several kinds: they have none to check."""
    return {"keypoints": []} | category if isinstance(category, dict) else category


def _by_id(things: list[Any], kind: str, path: Path) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for thing in things:
        if thing.id in found:
            raise KapbenchError(
                f"id {thing.id} stands twice among {kind}", place=path, fix="mend the file"
            )
        found[thing.id] = thing
    return found
