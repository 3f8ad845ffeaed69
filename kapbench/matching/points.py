"""Points to match: a regular set of them, and the check of those that a user names."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from kapbench.errors import KapbenchError

_HALVINGS = 12  # of the distance between points, until one of them lies on a small object


def regular_points(
    size: tuple[int, int], n_points: int, on_object: Bool[np.ndarray, "h w"] | None = None
) -> Float64[np.ndarray, "q 2"]:
    """About `n_points` points (x, y) of a square lattice that lie on the object, row by row.

    The lattice is centred in the image, and its distance is that at which as many squares as points
    have the object's area. There is at least one point.

    Args:
        size: Width and height of the image.
        on_object: True on the object, by pixel; None: the whole image.

    Raises:
        KapbenchError: no pixel is on the object.
    """
    area = size[0] * size[1] if on_object is None else int(on_object.sum())
    if not area:
        raise KapbenchError(
            "The mask has no pixel on the object",
            fix="Give a mask whose object is white, or leave the mask out",
        )
    step = (area / max(n_points, 1)) ** 0.5
    for _ in range(_HALVINGS):
        points = _lattice(size, step)
        if on_object is not None:
            column, row = np.floor(points).astype(np.int64).T
            points = points[on_object[row, column]]
        if len(points):
            return points
        step /= 2
    assert on_object is not None
    row, column = (int(index[0]) for index in np.nonzero(on_object))
    return np.array([[column + 0.5, row + 0.5]])


def _lattice(size: tuple[int, int], step: float) -> Float64[np.ndarray, "q 2"]:
    """All points of a lattice that is centred in an image, and lies within it."""
    x, y = (_along(length, step) for length in size)
    return np.stack([a.ravel() for a in np.meshgrid(x, y)], axis=1)


def _along(length: int, step: float) -> Float64[np.ndarray, "n"]:
    n = max(round(length / step), 1)
    return (np.arange(n) + 0.5) * (length / n)


def checked_points(points: Any, size: tuple[int, int], image: str) -> Float64[np.ndarray, "q 2"]:
    """Points (x, y) as an array. KapbenchError where one is no point of the image.

    Args:
        size: Width and height of the image.
        image: Its name, for the error.
    """
    place = f"points in {image}"
    try:
        xy = np.asarray(points, np.float64)
    except (TypeError, ValueError) as error:
        raise _not_points(place) from error
    if xy.size == 0:
        xy = xy.reshape(0, 2)
    if xy.ndim != 2 or xy.shape[1] != 2 or not np.isfinite(xy).all():
        raise _not_points(place)
    outside = ((xy < 0) | (xy > size)).any(axis=1)
    if outside.any():
        x, y = xy[outside][0].tolist()
        raise KapbenchError(
            f"The point {x:g},{y:g} lies outside the image, which has {size[0]}×{size[1]} px",
            place=image,
            fix=f"Choose x from 0 to {size[0]} and y from 0 to {size[1]}: pixels of the original "
            "image, x to the right and y down",
        )
    return xy


def _not_points(place: str) -> KapbenchError:
    return KapbenchError(
        "Points are not pairs of numbers",
        place=place,
        fix="Give x and y of each point in source pixels, e.g. [[120, 80], [30, 200]]",
    )
