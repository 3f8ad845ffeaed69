"""Refuses two pairs, or two different images, of one id, from any data set.

Records, caches and weights are kept by these ids: one of two images would be scored by the features
of the other, without a word.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.types import Pair, View

_FIX = "Give each an id of its own, in the annotations or in the data set's code"


def check_ids(pairs: Sequence[Pair], dataset: str) -> None:
    """KapbenchError where two pairs have one id, or an image id has two annotations.

    An image may be annotated again for each of its pairs, with other keypoints visible, but not with
    one keypoint in two places.
    """
    first: dict[str, int] = {}
    for i, pair in enumerate(pairs):
        if (earlier := first.setdefault(pair.pair_id, i)) != i:
            raise KapbenchError(
                f"Two pairs have the id '{pair.pair_id}': number {earlier + 1:,} of "
                f"{_images(pairs[earlier])}, and number {i + 1:,} of {_images(pair)}",
                place=f"data set {dataset}",
                fix=_FIX,
            )
    index_views(pairs, (), dataset)


def index_views(pairs: Sequence[Pair], more_views: Iterable[View], dataset: str) -> dict[str, View]:
    """The distinct images of pairs, and images that are in none, by id.

    Raises:
        KapbenchError: two images of one id differ.
    """
    by_id: dict[str, View] = {}
    for pair in pairs:
        for view in (pair.source, pair.target):
            if by_id.setdefault(view.image_id, view) is not view:
                _check_equal(by_id[view.image_id], view, pairs, pair, dataset)
    for view in more_views:
        if by_id.setdefault(view.image_id, view) is not view:
            _check_equal(by_id[view.image_id], view, pairs, None, dataset)
    return by_id


def _check_equal(
    earlier: View, view: View, pairs: Sequence[Pair], pair: Pair | None, dataset: str
) -> None:
    difference = next(_differences(earlier, view), None)
    if difference is None:
        return
    first = next((p for p in pairs if p.source is earlier or p.target is earlier), None)
    raise KapbenchError(
        f"Two images have the id '{view.image_id}', one {_describe(first)} and one "
        f"{_describe(pair)}: {difference}",
        place=f"data set {dataset}",
        fix=_FIX,
    )


def _describe(owner: Pair | None) -> str:
    return "in no pair" if owner is None else f"of the pair '{owner.pair_id}'"


def _images(pair: Pair) -> str:
    return f"{pair.source.image_id} and {pair.target.image_id}"


def _differences(one: View, other: View) -> Iterator[str]:
    """What two views differ in, in words."""
    for name, values in (
        ("the category", (one.category, other.category)),
        ("the size", (one.size, other.size)),
        ("the box", (one.bbox, other.bbox)),
        ("the mask", (one.mask, other.mask)),
        ("the viewpoint", (one.azimuth_bin, other.azimuth_bin)),
        ("truncation", (one.truncated, other.truncated)),
        ("occlusion", (one.occluded, other.occluded)),
    ):
        if values[0] != values[1]:
            yield f"{name} is {values[0]} of one and {values[1]} of the other"
    points, others = one.keypoints, other.keypoints
    in_both = points.visible & others.visible  # each pair may annotate only the points it needs
    if not np.array_equal(points.xy[in_both], others.xy[in_both]):
        yield "a keypoint that is visible in both lies elsewhere"
