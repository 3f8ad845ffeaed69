"""One ImageAnnotation file of SPair-71k, checked at the door."""

from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError

from kapbench.datasets.symmetry import n_keypoints
from kapbench.errors import KapbenchError
from kapbench.types import AZIMUTH_BINS, Keypoints, View

_Flag = Annotated[int, Field(ge=0, le=1)]
_Slot = Annotated[str, Field(pattern=r"^\d+$")]
_MEND = "fetch the data set again, or mend the file"


class Annotation(BaseModel):
    """The keys that are read; others are ignored."""

    model_config = ConfigDict(strict=True)

    category: str
    image_width: PositiveInt
    image_height: PositiveInt
    bndbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]  # x1, y1, x2, y2
    kps: dict[_Slot, tuple[FiniteFloat, FiniteFloat] | None]
    azimuth_id: Annotated[int, Field(ge=0, lt=AZIMUTH_BINS)] | None
    truncated: _Flag
    occluded: _Flag


def parse_view(content: bytes, path: Path, category: str, mask: Path | None) -> View:
    """The image that the file at `path` describes, `content` being what it holds.

    Keypoints may lie outside the box (a dozen do), not outside the image.

    Raises:
        KapbenchError: not JSON; a key that is missing or of a wrong type; another category; a box
            without area; a keypoint outside the image or beyond the category's own.
    """
    try:
        read = Annotation.model_validate_json(content)
    except ValidationError as error:
        raise _invalid(error, path) from error
    if read.category != category:
        raise KapbenchError(
            f"category '{read.category}' among {category}s",
            place=f"{path}, key category",
            fix=_MEND,
        )
    size = read.image_width, read.image_height
    x1, y1, x2, y2 = read.bndbox
    if not (x2 > x1 and y2 > y1):
        raise KapbenchError(
            f"box {list(read.bndbox)} has no area", place=f"{path}, key bndbox", fix=_MEND
        )
    xy = _positions(read, path)
    return View(
        image_id=f"{category}/{path.stem}",
        category=category,
        size=size,
        bbox=read.bndbox,
        keypoints=Keypoints(xy, ~np.isnan(xy[:, 0])),
        azimuth_bin=read.azimuth_id,
        mask=mask,
        truncated=bool(read.truncated),
        occluded=bool(read.occluded),
    )


def _positions(read: Annotation, path: Path) -> Float[np.ndarray, "K 2"]:
    """The file's slots cut to the category's own number of keypoints; NaN where one is null."""
    n, width, height = n_keypoints(read.category), read.image_width, read.image_height
    xy = np.full((n, 2), np.nan)
    for slot, point in read.kps.items():
        if point is None:
            continue
        if int(slot) >= n:
            raise KapbenchError(
                f"keypoint {slot} of a {read.category}, which has {n} (0 to {n - 1})",
                place=f"{path}, key kps.{slot}",
                fix=_MEND,
            )
        if not (0 <= point[0] <= width and 0 <= point[1] <= height):
            raise KapbenchError(
                f"keypoint {slot} at {list(point)} lies outside the image of {width}×{height} px",
                place=f"{path}, key kps.{slot}",
                fix=_MEND,
            )
        xy[int(slot)] = point
    return xy


def _invalid(error: ValidationError, path: Path) -> KapbenchError:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "json_invalid":
        return KapbenchError(f"not JSON: {first['msg']}", place=path, fix=_MEND)
    if first["type"] == "missing":
        return KapbenchError(f"key '{key}' is missing", place=path, fix=_MEND)
    return KapbenchError(
        f"annotation cannot be used: {first['msg'].lower()}", place=f"{path}, key {key}", fix=_MEND
    )
