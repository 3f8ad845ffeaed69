"""GECO's division of source keypoints (Hartwig et al., ICCV 2025): what of the keypoint and of its
mirror counterpart the target shows.

n11 both, n10 only the keypoint, n01 only the counterpart, n00 neither; n1x: the keypoint, which has no
counterpart. Keypoints without a counterpart that the target does not show are in n00, as in the code
of the paper. Each source keypoint is in one of the five.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from kapbench.scoring.schema import Records

if TYPE_CHECKING:
    from kapbench.scoring.score_table import ScoreRequest

BOTH, KEYPOINT, ALONE, COUNTERPART, NEITHER = (
    f"n{name}" for name in ("11", "10", "1x", "01", "00")
)
GECO_SPLITS = (BOTH, KEYPOINT, ALONE, COUNTERPART, NEITHER)


def rows_of(split: str) -> Callable[[Records], Bool[np.ndarray, "n"]]:
    """What selects the rows of one of GECO_SPLITS."""

    def select(records: Records) -> Bool[np.ndarray, "n"]:
        visible = records["target_visible"].to_numpy(bool)
        has_twin = (records["twin"] != records["keypoint"]).to_numpy(bool)
        twin_visible = has_twin & records["twin_visible"].to_numpy(bool)
        rows = {
            BOTH: visible & twin_visible,
            KEYPOINT: visible & has_twin & ~twin_visible,
            ALONE: visible & ~has_twin,
            COUNTERPART: ~visible & twin_visible,
            NEITHER: ~visible & ~twin_visible,
        }
        return np.asarray(rows[split])

    return select


def geco_splits_in(records: Records) -> tuple[str, ...]:
    """All of them; none where no keypoint has a counterpart."""
    has_twin = (records["twin"] != records["keypoint"]).to_numpy(bool)
    return GECO_SPLITS if has_twin.any() else ()


def on_geco_splits(requests: Sequence["ScoreRequest"]) -> "Iterator[ScoreRequest]":
    """What is scored on GECO_SPLITS, beside these requests.

    KAP and PCK where the keypoint is visible: without a visible keypoint neither is defined. The
    share of predictions at the counterpart (`symmetry_confusion`) where that is visible.
    """
    for request in requests:
        splits: tuple[str, ...] = ()
        if request.metric in ("kap", "pck") and request.split == "other":
            splits = (BOTH, KEYPOINT, ALONE)
        elif request.metric == "symmetry_confusion":
            splits = (BOTH, COUNTERPART)
        yield from (replace(request, split=split) for split in splits)
