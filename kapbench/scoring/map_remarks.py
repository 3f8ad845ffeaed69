"""What the confidences of a run show of its maps, to be said beside its scores."""

import numpy as np
import pandas as pd

from kapbench.errors import counted
from kapbench.scoring.schema import MAP_MAX, MAP_MIN, Needs, Records


def remarks_on_maps(records: Records, needs: Needs) -> tuple[str, ...]:
    """A sentence where all maps of some pairs have one value in all cells; else, or without KAP, none.

    Args:
        needs: Of the rules that the records serve.
    """
    if not needs.geometries or not len(records):
        return ()
    geometry, _ = needs.geometries[0]
    constant = records[MAP_MIN.of(geometry)].to_numpy() == records[MAP_MAX.of(geometry)].to_numpy()
    pair = pd.factorize(records["pair_id"])[0]
    n_constant, n_pairs = len(np.unique(pair[constant])), len(np.unique(pair))
    if not n_constant:
        return ()
    of_pairs = f"In {n_constant:,} of {counted(n_pairs, 'pair')}, all similarities are equal"
    return (f"{of_pairs}: confidences tie, and the predicted point is that of the first cell",)
