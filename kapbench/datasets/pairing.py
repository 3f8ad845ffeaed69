"""Draws pairs by a fixed, seeded rule, for data sets without a published list.

The rule: the images of a category are sorted by id. Every ordered pair of two different images
that share at least `min_shared` visible keypoints is a candidate; `n` candidates are drawn without
replacement by a generator seeded with `seed` and the category's name. Pairs of one category do not
depend on the other categories.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.types import View


@dataclass(frozen=True, slots=True)
class PairRule:
    """
    Args:
        n: Pairs of a category; None: all candidates.
        min_shared: Keypoints that must be visible in both images.

    Raises:
        KapbenchError: fewer than one pair; a seed or a `min_shared` below 0.
    """

    n: int | None = None
    seed: int = 0
    min_shared: int = 1

    def __post_init__(self) -> None:
        limits = {"pairs": (self.n, 1), "seed": (self.seed, 0), "min_shared": (self.min_shared, 0)}
        for name, (value, minimum) in limits.items():
            if value is not None and value < minimum:
                raise KapbenchError(
                    f"The option {name}={value} is too small",
                    place="the rule that draws pairs",
                    fix=f"Give {minimum} or more",
                )

    def draw(
        self, views: Sequence[View], kinds: Mapping[str, str] | None = None
    ) -> Iterator[tuple[View, View]]:
        """Pairs of one category's images, source then target, in the order of their ids.

        Args:
            kinds: Kind of each image by its id; then only pairs of two different kinds are drawn.
        """
        ordered = sorted(views, key=lambda view: view.image_id)
        if not ordered:
            return
        visible = np.stack([view.keypoints.visible for view in ordered]).astype(np.int64)
        shared = visible @ visible.T
        np.fill_diagonal(shared, -1)
        if kinds is not None:
            codes = np.unique([kinds[view.image_id] for view in ordered], return_inverse=True)[1]
            shared[codes[:, None] == codes[None]] = -1
        allowed = np.argwhere(shared >= self.min_shared)
        if self.n is not None and self.n < len(allowed):
            word = zlib.crc32(ordered[0].category.encode())
            generator = np.random.default_rng([self.seed, word])
            allowed = allowed[np.sort(generator.choice(len(allowed), self.n, replace=False))]
        for source, target in allowed:
            yield ordered[source], ordered[target]


def group_by_category(views: Iterable[View]) -> dict[str, list[View]]:
    groups: dict[str, list[View]] = {}
    for view in views:
        groups.setdefault(view.category, []).append(view)
    return groups


def describe_no_pairs(
    groups: Iterable[Sequence[View]], min_shared: int, place: object, option: str
) -> KapbenchError:
    """The error where the rule finds no pair.

    Args:
        groups: The images of each category.
        option: Name of the user's option that sets `min_shared`.
    """
    most = max(map(len, groups), default=0)
    if most < 2:
        return KapbenchError(
            "There is no category with two images to pair",
            place=place,
            fix="Pairs are within a category: give it two images with keypoints visible in both",
        )
    return KapbenchError(
        f"There are no two images of a category that share {min_shared} keypoints",
        place=place,
        fix=f"Lower {option}",
    )
