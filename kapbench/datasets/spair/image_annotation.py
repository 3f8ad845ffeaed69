"""Finds and checks the files of one image of SPair-71k."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field

from kapbench.datasets import reading
from kapbench.datasets.reading import Coordinate, Side
from kapbench.datasets.symmetry import n_keypoints
from kapbench.types import AZIMUTH_BINS, View

_Flag = Annotated[int, Field(ge=0, le=1)]
# A keypoint's id without leading zeros: "1" and "01" would be one keypoint.
Slot = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,3})$")]
Point = tuple[Coordinate, Coordinate]


class Annotation(BaseModel):
    """The keys that are read; others are ignored."""

    model_config = ConfigDict(strict=True)

    category: str
    image_width: Side
    image_height: Side
    bndbox: tuple[Coordinate, Coordinate, Coordinate, Coordinate]  # x1, y1, x2, y2
    kps: dict[Slot, Point | None]
    azimuth_id: Annotated[int, Field(ge=0, lt=AZIMUTH_BINS)] | None
    truncated: _Flag
    occluded: _Flag


def list_missing(base: Path, kinds: Mapping[str, str], stems: Iterable[str]) -> list[Path]:
    """Files of a category that do not exist.

    Args:
        kinds: Ending by folder below `base`, e.g. {"JPEGImages/cat": ".jpg"}.
        stems: Names of the images without ending.
    """
    present = {folder: reading.list_names(base / folder) for folder in kinds}
    return [
        base / folder / f"{stem}{ending}"
        for folder, ending in kinds.items()
        for stem in stems
        if f"{stem}{ending}" not in present[folder]
    ]


def parse_view(content: bytes, path: Path, category: str, mask: Path | None) -> View:
    """The image that the file at `path` describes, `content` being what it holds.

    Keypoints may lie outside the box (a dozen do), but not outside the image.

    Raises:
        KapbenchError: not JSON; a key that is missing or of a wrong type; another category; a box
            without area; a keypoint outside the image or beyond the category's own.
    """
    annotation = reading.validate_json(Annotation, content, path)
    if annotation.category != category:
        raise reading.wrong_file(
            f"The category is '{annotation.category}', but the file is in the folder of {category}",
            f"{path}, key category",
        )
    reading.check_box(annotation.bndbox, f"{path}, key bndbox")
    size, n = (annotation.image_width, annotation.image_height), n_keypoints(category)
    beyond = [k for k, point in annotation.kps.items() if point is not None and int(k) >= n]
    if beyond:
        raise reading.wrong_file(
            f"Keypoint {beyond[0]} does not exist: category {category} has {n} (0 to {n - 1})",
            f"{path}, key kps.{beyond[0]}",
        )
    xy = place_keypoints(annotation.kps, n, size, path)
    return View(
        image_id=f"{category}/{path.stem}",
        category=category,
        size=size,
        bbox=annotation.bndbox,
        keypoints=reading.make_keypoints(xy, ~np.isnan(xy[:, 0])),
        azimuth_bin=annotation.azimuth_id,
        mask=mask,
        truncated=bool(annotation.truncated),
        occluded=bool(annotation.occluded),
    )


def place_keypoints(
    points: Mapping[str, Sequence[float] | None], n: int, size: tuple[int, int], path: Path
) -> Float[np.ndarray, "K 2"]:
    """The first `n` keypoints by id, NaN where null. KapbenchError where one is outside the image."""
    xy = np.full((n, 2), np.nan)
    for slot, point in points.items():
        if point is None:
            continue
        if not (0 <= point[0] <= size[0] and 0 <= point[1] <= size[1]):
            raise reading.wrong_file(
                f"Keypoint {slot} at {list(point)} lies outside the image of {size[0]}×{size[1]} px",
                f"{path}, key kps.{slot}",
            )
        xy[int(slot)] = point
    return xy
