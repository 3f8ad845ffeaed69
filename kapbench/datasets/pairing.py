"""Pairs by a written, seeded rule, for data sets without a published list.

The rule: images of a category in the order of their ids; every ordered pair of two different ones
that share at least `min_shared` visible keypoints may be drawn; `n` of them are, without
replacement, by a generator seeded with `seed` and the category's name. What other categories hold
does not change them.
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
        n: Pairs of a category; None: all that may be drawn.
        min_shared: Keypoints that both images must show.

    Raises:
        KapbenchError: less than one pair; a seed or a `min_shared` below 0.
    """

    n: int | None = None
    seed: int = 0
    min_shared: int = 1

    def __post_init__(self) -> None:
        least = {"pairs": (self.n, 1), "seed": (self.seed, 0), "min_shared": (self.min_shared, 0)}
        for name, (value, bound) in least.items():
            if value is not None and value < bound:
                raise KapbenchError(
                    f"{name}={value}", place="the rule of pairs", fix=f"give {bound} or more"
                )

    def draw(
        self, views: Sequence[View], kinds: Mapping[str, str] | None = None
    ) -> Iterator[tuple[View, View]]:
        """Pairs of one category's images, source then target, in the order of their ids.

        Args:
            kinds: Of each image by its id; only pairs of two different kinds are drawn then.
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


def no_pairs(
    categories: Iterable[Sequence[View]], min_shared: int, place: object, option: str
) -> KapbenchError:
    """The error where the rule finds no pair.

    Args:
        categories: The images of each.
        option: What `min_shared` is called where the user gives it.
    """
    most = max(map(len, categories), default=0)
    if most < 2:
        return KapbenchError(
            "no category has two images to pair", place=place,
            fix="pairs are within a category: give it two images, with keypoints shown in both",
        )  # fmt: skip
    return KapbenchError(
        f"no two images of a category share {min_shared} keypoints", place=place,
        fix=f"lower {option}",
    )  # fmt: skip
