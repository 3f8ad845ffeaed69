"""The pairs that may be drawn of a category: counted and looked up without a table of all pairs."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int

_BLOCK = 256  # classes that are compared with all others at once


class CandidatePairs:
    """Ordered pairs of objects, numbered by source and then by target.

    Objects that have the same visible keypoints and are of the same kind have the same partners:
    they form a class. Only classes are compared, so that memory grows linearly with the objects.

    Args:
        visible: Visible keypoints of each object.
        photographs: Number of each object's photograph; objects of one photograph are no pair.
        kinds: Number of each object's kind; objects of one kind are no pair. None: kinds do not
            matter.
        min_shared: Keypoints that must be visible in both objects of a pair.
    """

    def __init__(
        self,
        visible: Bool[np.ndarray, "n K"],
        photographs: Int[np.ndarray, "n"],
        kinds: Int[np.ndarray, "n"] | None,
        min_shared: int,
    ) -> None:
        self._photographs, self._min_shared = photographs, min_shared
        self._has_kinds = kinds is not None
        described = np.column_stack([visible, np.zeros(len(visible)) if kinds is None else kinds])
        classes, self._class_of = np.unique(described.astype(np.int32), axis=0, return_inverse=True)
        # Products of 0 and 1 in float32 are exact, and much faster than those of integers.
        self._visible, self._kinds = classes[:, :-1].astype(np.float32), classes[:, -1]
        n_within = self._count_within_photographs()
        n_partners = self._count_partners(np.arange(len(visible))) - n_within
        self._ends = np.cumsum(n_partners)
        self._starts = self._ends - n_partners
        self.n_within = int(n_within.sum() - self._is_own_partner()[self._class_of].sum())

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def at(self, numbers: Int[np.ndarray, "m"]) -> Iterator[tuple[int, int]]:
        """Source and target of the pairs with these numbers, in ascending order."""
        sources = np.searchsorted(self._ends, numbers, side="right")
        distinct, firsts = np.unique(sources, return_index=True)
        for source, of_source in zip(
            distinct.tolist(), np.split(numbers, firsts[1:]), strict=False
        ):
            targets = self._list_targets(source)
            for target in targets[of_source - self._starts[source]].tolist():
                yield source, target

    def _list_targets(self, source: int) -> Int[np.ndarray, "p"]:
        is_partner = self._are_partners(self._class_of[[source]], np.arange(len(self._kinds)))[0]
        other_photograph = self._photographs != self._photographs[source]
        return np.flatnonzero(is_partner[self._class_of] & other_photograph)

    def _are_partners(
        self, sources: Int[np.ndarray, "s"], targets: Int[np.ndarray, "t"]
    ) -> Bool[np.ndarray, "s t"]:
        """Whether objects of two classes may be a pair, whatever their photographs."""
        enough = self._visible[sources] @ self._visible[targets].T >= self._min_shared
        if not self._has_kinds:
            return np.asarray(enough)
        return np.asarray(enough & (self._kinds[sources][:, None] != self._kinds[targets][None]))

    def _is_own_partner(self) -> Bool[np.ndarray, "c"]:
        """Whether an object of each class would be paired with itself."""
        if self._has_kinds:
            return np.zeros(len(self._kinds), bool)
        return np.asarray(self._visible.sum(axis=1) >= self._min_shared)

    def _count_partners(self, members: Int[np.ndarray, "m"]) -> Int[np.ndarray, "m"]:
        """How many of these objects each of them may be paired with, whatever their photographs."""
        classes, class_of, sizes = np.unique(
            self._class_of[members], return_inverse=True, return_counts=True
        )
        counts = [
            self._are_partners(classes[i : i + _BLOCK], classes) @ sizes
            for i in range(0, len(classes), _BLOCK)
        ]
        return np.concatenate([np.zeros(0, np.int64), *counts])[class_of]

    def _count_within_photographs(self) -> Int[np.ndarray, "n"]:
        """How many partners of each object are in its photograph, itself included."""
        n_within = self._is_own_partner()[self._class_of].astype(np.int64)
        order = np.argsort(self._photographs, kind="stable")
        starts = np.flatnonzero(np.diff(self._photographs[order], prepend=-1))
        for members in np.split(order, starts[1:]):
            if len(members) > 1:
                n_within[members] = self._count_partners(members)
        return n_within
