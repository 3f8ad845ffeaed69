"""Names and mirror counterparts of the keypoints of each category of a page."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from kapbench.protocols import Dataset
from kapbench.types import Pair
from kapbench_leaderboard.explore.content import KeypointTable


@runtime_checkable
class NamesKeypoints(Protocol):
    """A data set that knows what its keypoints are called."""

    def keypoint_names(self, category: str) -> Sequence[str]:
        """Names by keypoint id."""


def keypoint_tables(dataset: Dataset, pairs: Sequence[Pair]) -> dict[str, KeypointTable]:
    """By category; a data set without names of keypoints has their numbers."""
    tables = {}
    for pair in pairs:
        category, n = pair.source.category, len(pair.twins)
        if category not in tables:
            names = (
                list(dataset.keypoint_names(category))
                if isinstance(dataset, NamesKeypoints)
                else [f"keypoint {k}" for k in range(n)]
            )
            tables[category] = KeypointTable(names, pair.twins)
    return tables
