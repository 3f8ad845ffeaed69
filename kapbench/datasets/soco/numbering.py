"""Numbers the keypoints of SOCO, which its files know by name, and says which are repetitions.

Categories that pairs join number their keypoints together, so that a number means the same name in
both images of every pair. Within a category, each category is numbered alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kapbench.datasets import reading
from kapbench.datasets.soco.pair_file import AnnotatedImage, PairFile
from kapbench.datasets.symmetry import Symmetry, mirror_by_name, of_table
from kapbench.types import View


@dataclass(frozen=True, slots=True)
class Numbering:
    """Keypoints of categories that pairs join, in alphabetical order of their names."""

    names: tuple[str, ...]
    symmetry: Symmetry

    @classmethod
    def of(cls, concepts: Mapping[str, str | None]) -> "Numbering":
        """
        Args:
            concepts: Of each keypoint, by name; None: of no concept.
        """
        names = tuple(sorted(concepts))
        members: dict[str, list[int]] = {}
        for number, name in enumerate(names):
            if (concept := concepts[name]) is not None:
                members.setdefault(concept, []).append(number)
        repeated = [numbers for numbers in members.values() if len(numbers) > 1]
        mirror = [
            (left, right)
            for left, right in mirror_by_name(names)
            if concepts[names[left]] == concepts[names[right]] is not None
        ]
        return cls(names, of_table(len(names), repeated, mirror))


def number_keypoints(pairs: Sequence[PairFile]) -> dict[str, Numbering]:
    """By category of an image, and by pair group.

    Raises:
        KapbenchError: a keypoint has two concepts in categories that pairs join.
    """
    joined = _join_categories(pairs)
    concepts: dict[str, dict[str, tuple[str | None, PairFile]]] = {}
    for pair in pairs:
        for image in (pair.source, pair.target):
            known = concepts.setdefault(joined[image.category], {})
            for name, concept in zip(image.names, image.concepts, strict=True):
                before, first = known.setdefault(name, (concept, pair))
                if before != concept:
                    raise reading.wrong_file(
                        f"Keypoint '{name}' is of the concept '{concept}' here, and of "
                        f"'{before}' in {first.path}",
                        pair.path,
                    )
    tables = {
        root: Numbering.of({name: concept for name, (concept, _) in known.items()})
        for root, known in concepts.items()
    }
    return {category: tables[root] for category, root in joined.items()}


def _join_categories(pairs: Iterable[PairFile]) -> dict[str, str]:
    """For each category and pair group, the first in alphabetical order of those joined with it.

    Pairs join the categories of both images with their pair group, and so with all of its pairs.
    """
    members: dict[str, set[str]] = {}
    for names in {(p.source.category, p.target.category, p.pair_group) for p in pairs}:
        together = set(names).union(*(members.get(name, ()) for name in names))
        members |= dict.fromkeys(together, together)
    return {category: min(together) for category, together in members.items()}


def make_view(
    image: AnnotatedImage, numbering: Numbering, left_out: frozenset[str]
) -> tuple[View, int]:
    """The image with numbered keypoints, and how many of its points lie outside of it.

    Args:
        left_out: Names of keypoints that count as not visible.
    """
    numbers = {name: number for number, name in enumerate(numbering.names)}
    xy = np.full((len(numbers), 2), np.nan)
    for name, point in zip(image.names, image.points, strict=True):
        if name not in left_out:
            xy[numbers[name]] = point
    keypoints = reading.make_keypoints(xy, ~np.isnan(xy[:, 0]))
    inside, n_outside = reading.drop_outside(keypoints, image.size)
    view = View(image.image_id, image.category, image.size, image.box, inside)
    return view, n_outside
