"""Objects that are paired by their annotations alone, fitted to their photographs afterwards."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from kapbench.datasets import reading
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import pair_present
from kapbench.datasets.pairing import (
    PairRule,
    describe_no_pairs,
    remark_on_one_photograph,
    without_too_few_shared,
)
from kapbench.datasets.symmetry import Symmetry
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View


class AnnotatedObject(NamedTuple):
    """
    Args:
        view: Of the smallest size that holds box and keypoints, until the photograph is read.
        photograph: Where it is, if it exists.
        has_box: Whether its annotation has a box; else that of the view is around its keypoints.
        n_outside: Keypoints outside the image, which are not visible in the view.
    """

    view: View
    photograph: Path
    has_box: bool
    n_outside: int


@dataclass(frozen=True, slots=True)
class FittedPairs:
    """
    Args:
        pairs: Drawn pairs whose two photographs exist.
        objects: All objects whose photograph exists.
        n_expected: Pairs where all photographs exist.
        few_shared: The remark on pairs that share too few keypoints in their photographs.
        within: The remark on candidates within one photograph.
        no_box: The remark on objects that have no box, nor keypoints to take one from.
    """

    pairs: list[Pair]
    objects: list[AnnotatedObject]
    n_expected: int
    few_shared: tuple[str, ...]
    within: tuple[str, ...]
    no_box: tuple[str, ...]

    @property
    def views(self) -> list[View]:
        return [annotated.view for annotated in self.objects]

    @property
    def paths(self) -> dict[str, Path]:
        return {annotated.view.image_id: annotated.photograph for annotated in self.objects}

    @property
    def remarks(self) -> tuple[str, ...]:
        n_outside = sum(annotated.n_outside for annotated in self.objects)
        return (*reading.remark_on_outside(n_outside), *self.no_box, *self.few_shared)


def draw_pairs(
    categories: Sequence[Sequence[AnnotatedObject]],
    rule: PairRule,
    symmetry: Symmetry,
    absent: KapbenchError,
    *,
    photographs: bool = True,
    n_without_box: int = 0,
) -> FittedPairs:
    """Draws pairs of each category's objects, and then reads the photographs' sizes.

    Args:
        absent: The error where no photograph exists.
        photographs: Whether objects without a photograph are left out; else none is read.
        n_without_box: Objects that are left out already because they have no box.

    Raises:
        KapbenchError: `absent`; no two objects that share enough keypoints.
    """
    groups = [[annotated.view for annotated in objects] for objects in categories]
    paths = {o.view.image_id: o.photograph for objects in categories for o in objects}
    drawn = [rule.draw(views, photographs=paths) for views in groups]
    n_within = sum(of_category.n_within for of_category in drawn)
    candidates = list(itertools.chain.from_iterable(drawn))
    no_pairs = describe_no_pairs(groups, rule.min_shared, absent.place, "min_shared", n_within)
    if not candidates:
        raise no_pairs
    objects, n_lost = list(itertools.chain.from_iterable(categories)), 0
    if photographs:
        objects, n_lost = fit_photographs(objects)
    present = {annotated.view.image_id: annotated.view for annotated in objects}
    pairs_present = pair_present(candidates, present, symmetry)
    if not pairs_present:
        raise absent
    pairs, few_shared = without_too_few_shared(pairs_present, rule.min_shared)
    if not pairs:
        raise no_pairs
    return FittedPairs(
        pairs,
        objects,
        len(candidates) - len(pairs_present) + len(pairs),
        few_shared,
        remark_on_one_photograph(n_within),
        reading.remark_on_no_box(n_without_box + n_lost),
    )


def fit_photographs(objects: Iterable[AnnotatedObject]) -> tuple[list[AnnotatedObject], int]:
    """Objects whose photograph exists and shows a keypoint, with the size of the photograph.

    Keypoints outside the photograph are not visible any more, and a box that is taken from
    keypoints is that of the others.

    Returns:
        They, and how many are left out because they have no box and fewer than two distinct
        keypoints to take one from.
    """
    objects = list(objects)
    sizes: dict[Path, tuple[int, int]] = {}
    names = {
        folder: reading.list_names(folder) for folder in {o.photograph.parent for o in objects}
    }
    fitted, n_without_box = [], 0
    for annotated in objects:
        photograph = annotated.photograph
        if photograph.name not in names[photograph.parent]:
            continue
        size = sizes[photograph] = sizes.get(photograph) or image_size(photograph)
        points, n_outside = reading.drop_outside(annotated.view.keypoints, size)
        if not points.visible.any():
            continue
        keeps_box = annotated.has_box or not n_outside
        box = annotated.view.bbox if keeps_box else reading.box_of_points(points)
        if box is None:
            n_without_box += 1
            continue
        view = replace(annotated.view, size=size, keypoints=points, bbox=box)
        fitted.append(annotated._replace(view=view, n_outside=annotated.n_outside + n_outside))
    return fitted, n_without_box


def list_other_boxes(objects: Sequence[AnnotatedObject]) -> list[str]:
    """For the revision: each box that keypoints outside the photograph changed."""
    return [
        f"{item.view.image_id} {item.view.bbox}"
        for item in objects
        if item.n_outside and not item.has_box
    ]
