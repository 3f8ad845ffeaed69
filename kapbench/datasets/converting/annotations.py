"""What every reader returns: photographs, and the objects that are annotated in them.

Pixels are continuous, x right, y down; boxes are x1, y1, x2, y2.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from kapbench.datasets.reading import MAX_PX, Box, box_around, make_keypoints
from kapbench.untrusted.strict_text import number

Xy = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Keypoint:
    """
    Args:
        xy: None where the annotator states that the keypoint is not visible.
        occluded: Whether the annotator states that something hides it.
    """

    xy: Xy | None
    occluded: bool = False


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """
    Args:
        keypoints: By name; a name that is missing is not labelled.
        place: Where the object stands in the export, for messages.
        category: None where the tool names none.
        order: All names in the order of the tool, where it states one.
    """

    keypoints: dict[str, Keypoint]
    place: str
    category: str | None = None
    box: Box | None = None
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """An image inside a video, or inside the export.

    Args:
        name: Of the file to write it to.
        read: Its pixels, from the place of the video on this machine; KapbenchError.
    """

    name: str
    read: Callable[[Path], UInt8[np.ndarray, "h w 3"]]


@dataclass(frozen=True, slots=True)
class Photograph:
    """
    Args:
        names: Paths of the image, or of its video, the likeliest first.
        original: Name of the file before the tool renamed it; None where it did not.
        folder: Of the file that names it; a relative path may begin there.
        size: Width and height as the tool states them; None where it states none.
        frame: Where the names are those of a video.
        is_scaled: Whether the tool's points are fractions of that size.
    """

    names: tuple[str, ...]
    folder: Path
    place: str
    size: tuple[int, int] | None = None
    objects: list[AnnotatedObject] = field(default_factory=list)
    frame: VideoFrame | None = None
    original: str | None = None
    is_scaled: bool = False


def as_number(text: str | None) -> float | None:
    """None where the text is no number."""
    return None if text is None else number(text.strip())


def as_xy(x: Any, y: Any) -> Xy | None:
    """None where the two values are not numbers up to MAX_PX."""
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in (x, y)):
        return None
    return (float(x), float(y)) if all(abs(v) <= MAX_PX for v in (x, y)) else None


def as_size(width: Any, height: Any) -> tuple[int, int] | None:
    """None where the tool states no size."""
    size = as_xy(width, height)
    return None if size is None or min(size) < 1 else (round(size[0]), round(size[1]))


def box_around_corners(corners: list[Xy]) -> Box:
    """The smallest upright box that holds all corners, of which there is one at least."""
    return box_around(make_keypoints(np.array(corners), np.ones(len(corners), bool)))
