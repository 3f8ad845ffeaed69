"""Names and mirror counterparts of the keypoints of each category of a page."""

from collections.abc import Sequence

from kapbench.protocols import Dataset, keypoint_names
from kapbench.types import Pair
from kapbench_leaderboard.explore.content import KeypointTable


def keypoint_tables(dataset: Dataset, pairs: Sequence[Pair]) -> dict[str, KeypointTable]:
    """By category, of pairs and of images. A keypoint without a name is called by its number."""
    tables: dict[str, KeypointTable] = {}
    for pair in pairs:
        n = len(pair.twins)
        for category in {pair.category, pair.source.category, pair.target.category} - set(tables):
            known = keypoint_names(dataset, category)
            names = [known[k] if k < len(known) and known[k] else f"keypoint {k}" for k in range(n)]
            tables[category] = KeypointTable(names, pair.twins)
    return tables
