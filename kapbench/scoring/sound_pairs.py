"""Pairs before they are scored: sizes and points that distances can be measured with."""

from collections.abc import Iterable, Iterator
from typing import get_args

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.scoring.rules import OverCategories
from kapbench.types import Pair, View

AVERAGES = frozenset(get_args(OverCategories))  # names that scores have in place of a category's
_FIX = "Correct the annotation, or the data set's reader"


def refuse_unsound(pairs: Iterable[Pair], dataset: str) -> None:
    """Raises KapbenchError, with the pair, where an annotation cannot be scored.

    T is finite and above 0; visible points are finite, and others NaN; both images have the same
    keypoint ids, each with a part group and a counterpart; no category has the name of an average.
    """
    checked: dict[int, View] = {}
    for pair in pairs:
        place = f"pair {pair.pair_id} of data set {dataset}"
        for problem in _of_pair(pair):
            raise KapbenchError(problem, place=place, fix=_FIX)
        for view in (pair.source, pair.target):
            if id(view) not in checked:  # an image is in many pairs
                checked[id(view)] = view
                for problem in _of_view(view):
                    raise KapbenchError(problem, place=place, fix=_FIX)


def refuse_reserved(categories: Iterable[str], dataset: str) -> None:
    """Raises KapbenchError where a category has the name that scores give to an average."""
    if reserved := sorted(AVERAGES & set(categories)):
        raise KapbenchError(
            f"A category is called '{reserved[0]}', which is the name of an average over categories",
            place=f"data set {dataset}",
            fix=f"Rename it; {', '.join(sorted(AVERAGES))} are reserved",
        )


def _of_pair(pair: Pair) -> Iterator[str]:
    if not (np.isfinite(pair.size) and pair.size > 0):
        yield f"T, the size that distances are relative to, is {pair.size}"
    n = len(pair.source.keypoints.visible)
    numbers = {n, len(pair.target.keypoints.visible), len(pair.groups), len(pair.twins)}
    if len(numbers) > 1:
        yield "The images, the part groups and the counterparts have different numbers of keypoints"
    elif n and not (np.min(pair.twins) >= 0 and np.max(pair.twins) < n):
        yield f"A counterpart (twin) is not among the keypoints 0 to {n - 1}"


def _of_view(view: View) -> Iterator[str]:
    xy, visible = view.keypoints.xy, view.keypoints.visible
    if xy.shape != (len(visible), 2):
        yield f"Image {view.image_id} has {len(visible)} keypoints and points of shape {xy.shape}"
        return
    wrong = np.where(visible, ~np.isfinite(xy).all(axis=1), ~np.isnan(xy).all(axis=1))
    if wrong.any():
        k = int(wrong.argmax())
        state = "visible" if visible[k] else "not visible, whose points are NaN,"
        x, y = xy[k].tolist()
        yield f"Keypoint {k} of image {view.image_id} is {state} and lies at ({x:g}, {y:g})"
