"""Reads and checks a COCO-keypoints file: images, categories, annotations by their ids."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt

from kapbench.datasets import reading
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
    keypoints: list[str] = []  # files of several kinds have categories without keypoints
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
    """Content of a file; annotations by id, without crowds and those without keypoints."""

    content: bytes
    images: dict[int, CocoImage]
    categories: dict[int, CocoCategory]
    annotations: list[CocoAnnotation]
    n_left_out: int


def open_coco(path: Path, fix: str) -> CocoFile:
    """
    Raises:
        KapbenchError: a missing file; a key that is missing or of a wrong type; an id that occurs
            twice or does not exist; a list of keypoints of a wrong length.
    """
    content = reading.read_bytes(path, fix)
    file = reading.validate(_File, reading.parse_json(content, path), path)
    images = _by_id(file.images, "images", path)
    categories = _by_id(file.categories, "categories", path)
    annotations = _by_id(file.annotations, "annotations", path)
    kept = []
    for number in sorted(annotations):
        annotation = annotations[number]
        place = f"{path}, annotation {number}"
        if annotation.image_id not in images:
            raise reading.wrong_file(f"Image {annotation.image_id} does not exist", place)
        if annotation.category_id not in categories:
            raise reading.wrong_file(f"Category {annotation.category_id} does not exist", place)
        if annotation.iscrowd or not any(annotation.keypoints[2::3]):
            continue
        expected = 3 * len(categories[annotation.category_id].keypoints)
        if len(annotation.keypoints) != expected:
            raise KapbenchError(
                f"The list of keypoints has {len(annotation.keypoints)} numbers, its category "
                f"has {expected}",
                place=place,
                fix="Give x, y and visibility of each keypoint",
            )
        kept.append(annotation)
    return CocoFile(content, images, categories, kept, len(annotations) - len(kept))


def read_points(
    annotation: CocoAnnotation, size: tuple[int, int], *, occluded: bool, place: str
) -> tuple[Keypoints, int]:
    """Keypoints, and how many lie outside the image: those count as not visible.

    Args:
        occluded: Whether keypoints that are labelled but hidden count as visible.
    """
    numbers: Float[np.ndarray, "K 3"] = np.array(annotation.keypoints, np.float64).reshape(-1, 3)
    wrong = numbers[~np.isin(numbers[:, 2], (0, 1, 2)), 2]
    if len(wrong):
        raise KapbenchError(
            f"The visibility {wrong[0]:g} is not allowed",
            place=place,
            fix="; ".join(f"{i}: {word}" for i, word in enumerate(_Visibility)),
        )
    visible = numbers[:, 2] >= (1 if occluded else 2)
    return reading.drop_outside(reading.make_keypoints(numbers[:, :2], visible), size)


def _by_id(entries: list[Any], kind: str, path: Path) -> dict[int, Any]:
    by_id: dict[int, Any] = {}
    for entry in entries:
        if entry.id in by_id:
            raise reading.wrong_file(f"The id {entry.id} occurs twice in {kind}", path)
        by_id[entry.id] = entry
    return by_id
