"""One annotation of a COCO-keypoints file, as the format has it and as tools write it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from kapbench.datasets import reading
from kapbench.errors import KapbenchError
from kapbench.types import Keypoints

_VISIBILITY = ("not labelled", "labelled but hidden", "labelled and visible")


class Strict(BaseModel):
    """No number is read from a text."""

    model_config = ConfigDict(strict=True)


class CocoAnnotation(Strict):
    """
    Args:
        bbox: x, y, width, height; None where the file gives none.
        keypoints: x, y, visibility of each; NaN or null where a keypoint is not labelled.
    """

    id: int
    image_id: int
    category_id: int
    bbox: list[reading.Coordinate] | None = Field(None, min_length=4, max_length=4)
    keypoints: list[float | None]

    @field_validator("keypoints", mode="before")
    @classmethod
    def _flatten(cls, value: Any) -> Any:
        """Lists of x, y, v as one list; a visibility of true is 2, of false 0."""
        if not isinstance(value, list):
            return value
        flat = [v for item in value for v in (item if isinstance(item, list) else [item])]
        return [2 * v if isinstance(v, bool) and k % 3 == 2 else v for k, v in enumerate(flat)]

    @field_validator("bbox", mode="before")
    @classmethod
    def _drop_empty(cls, value: Any) -> Any:
        """A list of nothing or of zeros is no box."""
        return None if isinstance(value, list) and not any(value) else value

    @property
    def box(self) -> reading.Box | None:
        """x1, y1, x2, y2."""
        if self.bbox is None:
            return None
        x, y, width, height = self.bbox
        return x, y, x + width, y + height

    @property
    def numbers(self) -> Float[np.ndarray, "K 3"]:
        values = [np.nan if v is None else v for v in self.keypoints]
        return np.array(values, np.float64).reshape(-1, 3)


def has_keypoints(entry: Any) -> bool:
    """Whether an annotation is to be read: not a crowd, and with labelled keypoints.

    An entry that is not a JSON object is to be read too, so that the check reports it.
    """
    if not isinstance(entry, dict):
        return True
    keypoints = entry.get("keypoints")
    if entry.get("iscrowd") or not keypoints:
        return False
    if not isinstance(keypoints, list):
        return True
    if not isinstance(keypoints[0], list):
        return any(keypoints[2::3])
    return any(not isinstance(k, list) or len(k) != 3 or k[2] for k in keypoints)


def count_numbers(entry: Any) -> int | None:
    """Length of the list of keypoints; None where there is none."""
    keypoints = entry.get("keypoints") if isinstance(entry, dict) else None
    if not isinstance(keypoints, list):
        return None
    return sum(len(item) if isinstance(item, list) else 1 for item in keypoints)


def check_annotation(
    entry: Any, i: int, images: Mapping[int, Any], categories: Mapping[int, Any], path: Path
) -> CocoAnnotation:
    """The annotation of an entry, the i-th of the file.

    Raises:
        KapbenchError: a key that is missing or of a wrong type; an image or a category that does
            not exist; a wrong number of keypoints, a wrong visibility, a labelled keypoint that is
            no number; a box without area.
    """
    number = entry.get("id") if isinstance(entry, dict) else None
    place = f"{path}, annotations[{i}]" if number is None else f"{path}, annotation {number}"
    try:
        annotation = CocoAnnotation.model_validate(entry)
    except ValidationError as error:
        raise reading.describe_invalid(error, place) from error
    if annotation.image_id not in images:
        raise reading.wrong_file(f"Image {annotation.image_id} does not exist", place)
    if annotation.category_id not in categories:
        raise reading.wrong_file(f"Category {annotation.category_id} does not exist", place)
    _check_keypoints(annotation, categories[annotation.category_id].keypoints, place)
    if annotation.box is not None:
        reading.check_box(annotation.box, place)
    elif reading.box_of_points(labelled_points(annotation)) is None:
        raise reading.wrong_file("There is no box, and one keypoint alone has no area", place)
    return annotation


def _check_keypoints(annotation: CocoAnnotation, names: list[str], place: str) -> None:
    if len(annotation.keypoints) != 3 * len(names):
        raise KapbenchError(
            f"The list of keypoints has {len(annotation.keypoints)} numbers, its category has "
            f"{3 * len(names)}",
            place=place,
            fix="Give x, y and visibility of each keypoint",
        )
    numbers = annotation.numbers
    wrong = ~np.isin(numbers[:, 2], (0, 1, 2))
    if wrong.any():
        raise KapbenchError(
            f"The visibility {numbers[wrong, 2][0]:g} is not allowed",
            place=f"{place}, keypoint {names[wrong.argmax()]}",
            fix="; ".join(f"{i}: {word}" for i, word in enumerate(_VISIBILITY)),
        )
    unknown = (numbers[:, 2] > 0) & ~(np.abs(numbers[:, :2]) <= reading.MAX_PX).all(axis=1)
    if unknown.any():
        k = unknown.argmax()
        raise KapbenchError(
            f"The position of a labelled keypoint is not a number: {numbers[k, :2].tolist()}",
            place=f"{place}, keypoint {names[k]}",
            fix="Give its position, or the visibility 0",
        )


def labelled_points(annotation: CocoAnnotation) -> Keypoints:
    """Labelled keypoints as visible ones, also those that are hidden or outside the image."""
    numbers = annotation.numbers
    return reading.make_keypoints(numbers[:, :2], numbers[:, 2] > 0)


def read_points(
    annotation: CocoAnnotation, size: tuple[int, int] | None, *, occluded: bool
) -> tuple[Keypoints, int]:
    """Keypoints, and how many lie outside the image: those count as not visible.

    Args:
        size: Width and height; None: only those left of the image or above it are outside.
        occluded: Whether keypoints that are labelled but hidden count as visible.
    """
    numbers = annotation.numbers
    visible = numbers[:, 2] >= (1 if occluded else 2)
    return reading.drop_outside(reading.make_keypoints(numbers[:, :2], visible), size)
