"""Symmetry confusion told apart: by whether the target shows the keypoint, and against its own hits.

The confusion that a table of scores holds counts every keypoint whose twin the target shows. Of these
the target hides some: any match of such a one is wrong, and the twin is the nearest thing to it. And a
model that hits nothing hits few twins: a low share of twins alone says nothing for it.
"""

import pandas as pd

from kapbench.scoring.estimators import Estimator
from kapbench.scoring.metrics import pck_correct, share
from kapbench.scoring.rules import PckRule
from kapbench.scoring.schema import TWIN_ERROR_PX

KINDS = ("shown", "hidden", "of_hits")


def confusion(
    records: pd.DataFrame, rule: PckRule, alpha: float, kind: str, *, supervised: bool = False
) -> Estimator:
    """Share, per point, of keypoints whose prediction lies within alpha · T of the twin, not of itself.

    Args:
        kind: Of keypoints whose twin the target shows: "shown", where it shows the keypoint too;
            "hidden", where it does not; "of_hits", of the shown those that hit the twin or
            themselves: 0.5 is a model to which the two sides are one.
    """
    decode = rule.decode_for(supervised)
    own = pck_correct(records, rule, decode, alpha)
    limit = alpha * records["size_px"].to_numpy(float)
    twin = (records[TWIN_ERROR_PX.of(decode)].to_numpy(float) < limit) & ~own
    asked = records["twin_visible"].to_numpy(bool)
    visible = records["target_visible"].to_numpy(bool)
    rows = asked & {"shown": visible, "hidden": ~visible, "of_hits": visible & (own | twin)}[kind]
    return share(records, twin, "point", rows)
