"""A data set as a list of pairs and the photographs of their images."""

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
from kapbench.errors import KapbenchError, unknown
from kapbench.types import Coverage, Pair, View
from kapbench.untrusted.repeated_ids import index_views

Reader = Callable[[Path, tuple[int, int]], UInt8[np.ndarray, "h w 3"]]
MaskReader = Callable[[Path, tuple[int, int]], Bool[np.ndarray, "h w"]]


def pair_by_box(pair_id: str, source: View, target: View, symmetry: Symmetry) -> Pair:
    """A pair whose T is the longer side of the target's box."""
    return Pair(pair_id, source, target, longer_side(target.bbox), *symmetry)


def name_pair(source: View, target: View) -> str:
    """The source's image id and the target's without its folder."""
    return f"{source.image_id}>{target.image_id.rpartition('/')[2]}"


def pair_present(
    drawn: Iterable[tuple[View, View]], present: Mapping[str, View], symmetry: Symmetry
) -> list[Pair]:
    """The drawn pairs whose two images are present, by id; T is the target's box."""
    pairs = ((present.get(s.image_id), present.get(t.image_id)) for s, t in drawn)
    return [pair_by_box(name_pair(s, t), s, t, symmetry) for s, t in pairs if s and t]


@dataclass(frozen=True, eq=False)
class PairList:
    """One split of a data set, read whole when it is opened.

    Args:
        revision: Hash of all that was read: annotations, pair list, symmetry table, rule, and which
            photographs are present.
        all_pairs: Those that can be run, in the data set's own order.
        paths: Photograph of each image id; a missing photograph has no entry.
        expected: Categories of the whole data set; None: those of the pairs.
        n_expected: Pairs of the whole data set; None: as many as `all_pairs`.
        missing: Files that an incomplete category lacks.
        more_views: Images that are in no pair, e.g. of a training set.
        read: Reads the pixels at a path, of the size that a view states.
        mirrored: Ids of images that are shown left for right.
        remarks: What looks wrong but may be meant, as sentences.
        read_mask: Reads the mask at a path, of the photograph's size.
        names: What keypoints are called, by category and id, where the data set says it.
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
    missing: Mapping[str, Sequence[Path]] = field(default_factory=dict, repr=False)
    more_views: Sequence[View] = ()
    read: Reader = read_rgb
    remarks: tuple[str, ...] = ()
    mirrored: frozenset[str] = frozenset()
    read_mask: MaskReader = read_mask
    names: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    def keypoint_names(self, category: str) -> Sequence[str]:
        """Names by keypoint id; none where they are not known."""
        return self.names.get(category, ())

    @functools.cached_property
    def coverage(self) -> Coverage:
        present = tuple(sorted(set().union(*self._categories.values())))
        n_pairs = len(self.all_pairs)
        n_expected = n_pairs if self.n_expected is None else self.n_expected
        return Coverage(present, self.expected or present, n_pairs, n_expected)

    @property
    def categories(self) -> tuple[str, ...]:
        return self.coverage.categories

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        wanted = self._check_categories(categories)
        return [pair for pair in self.all_pairs if pair.category in wanted]

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        wanted = self._check_categories(categories)
        return [self._views[i] for i in sorted(self._views) if self._categories[i] & wanted]

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        if view.image_id not in self.paths:
            raise KapbenchError(
                f"There is no photograph of '{view.image_id}'",
                place=self.name,
                fix=f"Run `kapbench fetch {self.name}` to learn where the photographs come from",
            )
        pixels = self.read(self.paths[view.image_id], view.size)
        return np.ascontiguousarray(pixels[:, ::-1]) if view.image_id in self.mirrored else pixels

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        return None if view.mask is None else self.read_mask(view.mask, view.size)

    @functools.cached_property
    def _views(self) -> Mapping[str, View]:
        return index_views(self.all_pairs, self.more_views, self.name)

    @functools.cached_property
    def _categories(self) -> Mapping[str, set[str]]:
        """By image id, the categories of its pairs; the image's own where it is in no pair."""
        categories: dict[str, set[str]] = {}
        for pair in self.all_pairs:
            for view in (pair.source, pair.target):
                categories.setdefault(view.image_id, set()).add(pair.category)
        for image_id, view in self._views.items():
            categories.setdefault(image_id, {view.category})
        return categories

    def _check_categories(self, categories: Sequence[str] | None) -> frozenset[str]:
        for category in categories or ():
            if missing := self.missing.get(category):
                raise KapbenchError(
                    f"Category '{category}' is not complete: {len(missing)} files are missing, "
                    "the first is named below",
                    place=missing[0],
                    fix=f"Run `kapbench fetch {self.name}`, or leave the category out",
                )
            if category not in self.categories:
                raise unknown("category", category, self.categories, place=f"data set {self.name}")
        return frozenset(self.categories if categories is None else categories)
