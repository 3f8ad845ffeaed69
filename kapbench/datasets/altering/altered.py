"""A data set that forwards everything to another one, but for what an alteration changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

from kapbench.protocols import Dataset, keypoint_names, remarks_on
from kapbench.types import Coverage, Pair, View


@dataclass(frozen=True, eq=False)
class Altered:
    """Subclasses change pairs or pixels, and say what they changed.

    Args:
        original: May be altered itself.
        alteration: Ends the revision, and names the alteration wherever a run is shown: reverse,
            fog-3.
        remark: One sentence that is shown before a run, without a full stop.
    """

    original: Dataset
    alteration: str
    remark: str

    @property
    def name(self) -> str:
        return self.original.name

    @property
    def split(self) -> str:
        return self.original.split

    @property
    def revision(self) -> str:
        return f"{self.original.revision}-{self.alteration}"

    @property
    def licence(self) -> str:
        return self.original.licence

    @property
    def citation(self) -> str:
        return self.original.citation

    @property
    def size_from(self) -> Literal["box", "image"]:
        return self.original.size_from

    @property
    def has_absent(self) -> bool:
        return self.original.has_absent

    @property
    def categories(self) -> tuple[str, ...]:
        return self.original.categories

    @property
    def coverage(self) -> Coverage:
        return self.original.coverage

    @property
    def remarks(self) -> tuple[str, ...]:
        return (*remarks_on(self.original), self.remark)

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        return self.original.pairs(categories)

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        return self.original.views(categories)

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        return self.original.pixels(view)

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        return self.original.mask(view)

    def keypoint_names(self, category: str) -> Sequence[str]:
        """Names by keypoint id; none where they are not known."""
        return keypoint_names(self.original, category)


def alterations_of(dataset: Dataset) -> tuple[str, ...]:
    """What was changed, in the order in which it ends the revision; none: a data set as it is."""
    if not isinstance(dataset, Altered):
        return ()
    return (*alterations_of(dataset.original), dataset.alteration)
