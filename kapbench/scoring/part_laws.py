"""Laws of identity: where it is defined, and which shares a keypoint can have."""

from collections.abc import Iterator

import numpy as np

from kapbench.scoring.part_scores import visible_members
from kapbench.scoring.prediction_laws import Law
from kapbench.scoring.record_index import RecordIndex
from kapbench.scoring.schema import IDENTITY, has_column

_ROUNDING = 1e-9


def part_laws(rows: RecordIndex) -> Iterator[Law]:
    """Of records that have the column."""
    if not has_column(rows.records, IDENTITY.name):
        return
    share, members = rows.floats(IDENTITY.name), visible_members(rows.records)
    defined = rows.visible & (members >= 2)
    yield (
        f"{IDENTITY.name} is not a number exactly where the target shows it and another member",
        np.isnan(share) == defined,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        n_best = np.where(share > 0, 1 / share, 1.0)
        is_share = (np.abs(n_best - np.round(n_best)) <= _ROUNDING) & (n_best >= 1 - _ROUNDING)
        possible = (share == 0) | ((share > 0) & is_share & (n_best <= members + _ROUNDING))
    yield (
        f"{IDENTITY.name} is neither 0 nor 1 divided by a number of visible members of the part",
        defined & ~possible,
    )
