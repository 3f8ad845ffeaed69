"""Draws pairs by a fixed, seeded rule, for data sets without a published list.

The rule: the images of a category are sorted by id. Every ordered pair of two different images
that share at least `min_shared` visible keypoints is a candidate, unless both are objects of one
photograph; `n` candidates are drawn without replacement by a generator seeded with `seed` and the
category's name. Pairs of one category do not depend on the other categories.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from kapbench.datasets.candidate_pairs import CandidatePairs
from kapbench.errors import KapbenchError, agreeing, counted
from kapbench.types import Pair, View

MAX_PAIRS = 5_000_000  # of a category; they take some GB of memory


@dataclass(frozen=True, slots=True)
class DrawnPairs:
    """Source and target of each pair, in the order of their ids.

    Args:
        n_within: Candidates that were left out because both objects are in one photograph.
    """

    pairs: Sequence[tuple[View, View]] = ()
    n_within: int = 0

    def __iter__(self) -> Iterator[tuple[View, View]]:
        return iter(self.pairs)


@dataclass(frozen=True, slots=True)
class PairRule:
    """
    Args:
        n: Pairs of a category; None: all candidates.
        min_shared: Keypoints that must be visible in both images.
        same_photograph: Whether two objects of one photograph are a candidate. A model that
            compares a photograph with itself always lands on the source point.

    Raises:
        KapbenchError: fewer than one pair; a seed or a `min_shared` below 0.
    """

    n: int | None = None
    seed: int = 0
    min_shared: int = 1
    same_photograph: bool = field(default=False, repr=False)  # revisions hash what repr shows

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
        self,
        views: Sequence[View],
        kinds: Mapping[str, str] | None = None,
        photographs: Mapping[str, object] | None = None,
    ) -> DrawnPairs:
        """Pairs of one category's images.

        Args:
            kinds: Kind of each image by its id; then only pairs of two different kinds are drawn.
            photographs: Photograph of each image by its id; None: each image has its own.

        Raises:
            KapbenchError: more pairs are to be drawn than memory holds.
        """
        ordered = sorted(views, key=lambda view: view.image_id)
        if not ordered:
            return DrawnPairs()
        names = [view.image_id for view in ordered]
        candidates = CandidatePairs(
            np.stack([view.keypoints.visible for view in ordered]),
            np.arange(len(names))
            if photographs is None or self.same_photograph
            else _number(names, photographs),
            None if kinds is None else _number(names, kinds),
            self.min_shared,
        )
        numbers = self._draw_numbers(len(candidates), ordered[0].category)
        pairs = [(ordered[s], ordered[t]) for s, t in candidates.at(numbers)]
        return DrawnPairs(pairs, candidates.n_within)

    def _draw_numbers(self, n_candidates: int, category: str) -> Int[np.ndarray, "m"]:
        """Numbers of the drawn candidates, in ascending order."""
        n_drawn = n_candidates if self.n is None else min(self.n, n_candidates)
        if n_drawn > MAX_PAIRS:
            raise KapbenchError(
                f"There are {n_drawn:,} pairs of '{category}' to draw, more than {MAX_PAIRS:,}",
                place="the rule that draws pairs",
                fix="Draw fewer of them: --dataset-option pairs=N, or rule.n in a manifest",
            )
        if n_drawn == n_candidates:
            return np.arange(n_candidates)
        generator = np.random.default_rng([self.seed, zlib.crc32(category.encode())])
        return np.sort(generator.choice(n_candidates, n_drawn, replace=False))


def _number(names: Sequence[str], labels: Mapping[str, object]) -> Int[np.ndarray, "n"]:
    """A number for each name; names with the same label have the same number."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(labels[name], len(numbers)) for name in names])


def remark_on_one_photograph(n_within: int) -> tuple[str, ...]:
    """The remark on candidates that `PairRule.draw` left out."""
    message = (
        f"{counted(n_within, 'candidate pair')} of two objects in one photograph "
        f"{agreeing('is', n_within)} left out, because a model that compares a photograph "
        "with itself always lands on the source point. same_photograph=true keeps them"
    )
    return (message,) if n_within else ()


def without_too_few_shared(
    pairs: Iterable[Pair], min_shared: int
) -> tuple[list[Pair], tuple[str, ...]]:
    """Drawn pairs that still share `min_shared` visible keypoints, and the remark on the others.

    Where pairs are drawn before photographs are read, keypoints that turn out to lie outside their
    photograph count no more.
    """
    pairs = list(pairs)
    kept = [
        pair
        for pair in pairs
        if (pair.source.keypoints.visible & pair.target.keypoints.visible).sum() >= min_shared
    ]
    n = len(pairs) - len(kept)
    message = (
        f"{counted(n, 'drawn pair')} {agreeing('is', n)} left out: without the keypoints outside "
        f"their photograph, the two images share fewer than {min_shared}"
    )
    return kept, (message,) if n else ()


def group_by_category(views: Iterable[View]) -> dict[str, list[View]]:
    groups: dict[str, list[View]] = {}
    for view in views:
        groups.setdefault(view.category, []).append(view)
    return groups


def describe_no_pairs(
    groups: Iterable[Sequence[View]], min_shared: int, place: object, option: str, n_within: int = 0
) -> KapbenchError:
    """The error where the rule finds no pair.

    Args:
        groups: The images of each category.
        option: Name of the user's option that sets `min_shared`.
        n_within: Candidates that were left out because both objects are in one photograph.
    """
    if n_within:
        return KapbenchError(
            f"All pairs that could be drawn ({n_within:,}) are of two objects in one photograph",
            place=place,
            fix="Add photographs; or set same_photograph=true, although a model that compares a "
            "photograph with itself always lands on the source point",
        )
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
