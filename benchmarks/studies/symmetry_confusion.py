"""Symmetry confusion, separated by visibility, and related to the keypoints that are hit.

The confusion in a table of scores counts every keypoint whose mirror counterpart is visible in the
target. Some of these keypoints are absent from the target: any match of them is wrong, and the
counterpart is the nearest thing to them. Moreover, a model that hits nothing also hits few
counterparts, so a low share of counterparts alone is no evidence for a model.
"""

import pandas as pd

from kapbench.scoring.estimators import Estimator
from kapbench.scoring.metrics import at_mirror_counterpart, pck_correct, share
from kapbench.scoring.rules import PckRule

KINDS = ("visible", "absent", "of_hits")


def confusion(
    records: pd.DataFrame, rule: PckRule, alpha: float, kind: str, *, supervised: bool = False
) -> Estimator:
    """Share, per point, of keypoints matched within alpha · T of the counterpart and not of themselves.

    Args:
        kind: Which keypoints, among those whose mirror counterpart is visible in the target.
            "visible": those that are visible too. "absent": those that are absent. "of_hits":
            visible ones whose match hits the counterpart or themselves; a model that does not
            distinguish the two sides gets 0.5.
    """
    decode = rule.decode_for(supervised)
    is_correct = pck_correct(records, rule, decode, alpha)
    at_twin = at_mirror_counterpart(records, rule, decode, alpha)
    visible = records["target_visible"].to_numpy(bool)
    of_kind = {"visible": visible, "absent": ~visible, "of_hits": visible & (is_correct | at_twin)}
    rows = records["twin_visible"].to_numpy(bool) & of_kind[kind]
    return share(records, at_twin, "point", rows)
