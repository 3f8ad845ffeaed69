"""How many predicted points of an entry a run repeats."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kapbench.scoring.rules import Decode
from kapbench.scoring.schema import TEXT, X, Y

EQUAL_PX = 1e-3  # of the original image: rounding, not another cell


@dataclass(frozen=True, slots=True)
class EqualPoints:
    """`n_equal` of `n` rows have the same predicted point, by every decode that both tables have."""

    n_equal: int
    n: int

    @property
    def share(self) -> float:
        return self.n_equal / self.n if self.n else float("nan")


def equal_points(
    entry: pd.DataFrame, run: pd.DataFrame, decodes: Sequence[Decode]
) -> EqualPoints | None:
    """Rows of the run beside those of the entry; a row that one of them lacks is not equal.

    None where they share no decode.
    """
    columns = [c for decode in decodes for c in (X.of(decode), Y.of(decode))]
    columns = [c for c in columns if c in entry and c in run]
    if not columns:
        return None
    keys = ["pair_id", "keypoint"]
    before, after = (
        table.astype({key: "str" for key in keys if key in TEXT}).set_index(keys)[columns]
        for table in (entry, run)
    )
    in_both = after.index.isin(before.index)
    before = before.reindex(after.index)
    gaps = np.abs(before.to_numpy(np.float64) - after.to_numpy(np.float64))
    both_empty = before.isna().to_numpy() & after.isna().to_numpy()
    same = ((gaps <= EQUAL_PX) | both_empty).all(axis=1) & in_both
    return EqualPoints(int(same.sum()), len(same))
