"""What the records of a run show of its maps, to be stated beside its scores."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Bool

from kapbench.errors import counted
from kapbench.scoring.schema import BEST, MAP_MAX, MAP_MIN, Needs, Records


def remarks_on_maps(records: Records, needs: Needs) -> tuple[str, ...]:
    """Sentences on pairs with constant maps; none without such pairs, or without a rule of KAP.

    Args:
        needs: Of the rules that the records serve.
    """
    return tuple(_remarks(records, needs))


def _remarks(records: Records, needs: Needs) -> Iterator[str]:
    if not needs.geometries:
        return
    geometry, _ = needs.geometries[0]
    low, high, best = (records[c.of(geometry)].to_numpy() for c in (MAP_MIN, MAP_MAX, BEST))
    pair = pd.factorize(records["pair_id"])[0]
    n_pairs = counted(len(np.unique(pair)), "pair")

    def count(rows: Bool[np.ndarray, "n"]) -> int:
        return len(np.unique(pair[rows]))

    constant = low == high
    if n := count(constant):
        yield (
            f"In {n:,} of {n_pairs}, all similarities are equal: confidences tie, and the predicted "
            "point is that of the first cell"
        )
    # `low` is of all maps of the pair: a map whose highest value it is has no other. The oracle
    # gives absent keypoints such maps on purpose.
    if n := count(records["target_visible"].to_numpy(bool) & (best == low) & ~constant):
        yield (
            f"In {n:,} of {n_pairs}, all similarities of a visible keypoint are equal: its predicted "
            "point is that of the first cell"
        )
