"""Laws of whether predicted points lie on the object: one object in one place in each target image."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int

from kapbench.scoring.object_extent import BOX, MASK, NOTHING, UNKNOWN
from kapbench.scoring.prediction_laws import Law, predicted_points
from kapbench.scoring.record_index import Places, RecordIndex, differing
from kapbench.scoring.schema import EXTENT, ON_OBJECT, Needs

_MOST_PX = float(1 << 20)  # no image is larger


def object_laws(rows: RecordIndex, needs: Needs) -> Iterator[Law]:
    extent, target = rows.ids(EXTENT.name), rows.in_target.outer
    yield (
        f"{EXTENT.name} differs within one target image",
        differing(extent, Places([target]).first),
    )
    if not needs.decodes:
        return
    names = [ON_OBJECT.of(decode) for decode in needs.decodes]
    on_object = np.concatenate([rows.ids(name) for name in names])
    points = np.concatenate([predicted_points(rows, decode) for decode in needs.decodes])
    extent, target = (np.tile(values, len(names)) for values in (extent, target))
    laws = (
        ("is not -1 exactly where extent is 0", (on_object == UNKNOWN) != (extent == NOTHING)),
        (
            "differs between predicted points in one pixel of a mask, or is 1 outside the image",
            (extent == MASK) & _other_pixels(points, on_object, target),
        ),
        (
            "is 0 between predicted points that lie in the bounding box",
            (extent == BOX) & (on_object == 0) & _between(points, on_object == 1, target),
        ),
    )
    for words, broken in laws:
        for name, of_decode in zip(names, np.split(broken, len(names)), strict=True):
            yield f"{name} {words}", of_decode


def _other_pixels(
    points: Float64[np.ndarray, "n 2"],
    on_object: Int[np.ndarray, "n"],
    target: Int[np.ndarray, "n"],
) -> Bool[np.ndarray, "n"]:
    pixel = np.floor(np.nan_to_num(points)).clip(-1, _MOST_PX).astype(np.int64) + 1
    first = Places([target, pixel[:, 0], pixel[:, 1]]).first
    is_outside = (pixel == 0).any(axis=1)
    return np.asarray(differing(on_object, first) | (is_outside & (on_object == 1)))


def _between(
    points: Float64[np.ndarray, "n 2"],
    on_object: Bool[np.ndarray, "n"],
    target: Int[np.ndarray, "n"],
) -> Bool[np.ndarray, "n"]:
    """Points within the smallest box that holds all points on the object of their target."""
    shape = int(target.max(initial=0)) + 1, 2
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    np.minimum.at(low, target[on_object], points[on_object])
    np.maximum.at(high, target[on_object], points[on_object])
    return np.asarray(((low[target] <= points) & (points <= high[target])).all(axis=1))
