"""A data set that is read whole when it is opened: what most of them are."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

from kapbench.datasets.images import read_mask, read_rgb
from kapbench.datasets.reading import longer_side
from kapbench.datasets.symmetry import Symmetry
from kapbench.errors import KapbenchError
from kapbench.registry import unknown
from kapbench.types import Coverage, Pair, View

Reader = Callable[[Path, tuple[int, int]], UInt8[np.ndarray, "h w 3"]]


def pairs_here(
    drawn: Iterable[tuple[View, View]], here: Mapping[str, View], symmetry: Symmetry
) -> list[Pair]:
    """Drawn pairs both of whose views are here, by id; T is the longer side of the target's box."""
    found = []
    for drawn_source, drawn_target in drawn:
        source, target = here.get(drawn_source.image_id), here.get(drawn_target.image_id)
        if source is not None and target is not None:
            pair_id = f"{source.image_id}>{target.image_id.rpartition('/')[2]}"
            found.append(Pair(pair_id, source, target, longer_side(target.bbox), *symmetry))
    return found


@dataclass(frozen=True, eq=False)
class Listed:
    """One split of a data set as a list of pairs and the place of every photograph.

    Args:
        revision: Hash of all that was read: annotations, pair list, symmetry table, rule, and of which
            photographs are here.
        all_pairs: Those that can be run, in the data set's own order.
        paths: Photograph of each image id; one that lacks here has none.
        expected: Categories of the whole data set; None: those of the pairs.
        n_expected: Pairs of the whole data set; None: as many as there are.
        more_views: Images that no pair names, e.g. of a training set.
        read: Pixels at a path, of the size that a view states.
        mirrored: Ids of images that are shown left for right.
        remarks: What looks wrong but may be meant, in words.
    """

    name: str
    split: str
    revision: str
    licence: str
    citation: str
    all_pairs: Sequence[Pair]
    paths: Mapping[str, Path] = field(repr=False)
    size_from: Literal["box", "image"] = "box"
    has_absent: bool = True
    expected: tuple[str, ...] | None = None
    n_expected: int | None = None
    more_views: Sequence[View] = ()
    read: Reader = read_rgb
    remarks: tuple[str, ...] = ()
    mirrored: frozenset[str] = frozenset()

    @functools.cached_property
    def coverage(self) -> Coverage:
        here = tuple(sorted({view.category for view in self._views.values()}))
        n_pairs = len(self.all_pairs)
        n_expected = n_pairs if self.n_expected is None else self.n_expected
        return Coverage(here, self.expected or here, n_pairs, n_expected)

    @property
    def categories(self) -> tuple[str, ...]:
        return self.coverage.categories

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        wanted = self._wanted(categories)
        return [pair for pair in self.all_pairs if pair.source.category in wanted]

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        wanted = self._wanted(categories)
        return [self._views[i] for i in sorted(self._views) if self._views[i].category in wanted]

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        if view.image_id not in self.paths:
            raise KapbenchError(
                f"no photograph of '{view.image_id}' is here", place=self.name,
                fix=f"`kapbench fetch {self.name}` says where the photographs come from",
            )  # fmt: skip
        found = self.read(self.paths[view.image_id], view.size)
        return np.ascontiguousarray(found[:, ::-1]) if view.image_id in self.mirrored else found

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        return None if view.mask is None else read_mask(view.mask, view.size)

    @functools.cached_property
    def _views(self) -> Mapping[str, View]:
        named = [view for pair in self.all_pairs for view in (pair.source, pair.target)]
        return {view.image_id: view for view in (*named, *self.more_views)}

    def _wanted(self, categories: Sequence[str] | None) -> frozenset[str]:
        for category in categories or ():
            if category not in self.categories:
                raise unknown("category", category, self.categories, place=f"data set {self.name}")
        return frozenset(self.categories if categories is None else categories)
