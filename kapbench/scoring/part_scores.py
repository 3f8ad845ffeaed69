"""The right part, and the right one of its kind: concept PCK, wrong members, and identity.

The part of a keypoint is its part group, or the keypoint and its mirror counterpart where it has no
group. A keypoint with neither is a part of its own.
"""

import numpy as np
from jaxtyping import Bool, Int, Shaped

from kapbench.scoring.estimators import Estimator
from kapbench.scoring.metrics import is_within, mean_of_rows, pck_correct
from kapbench.scoring.rules import Decode, PckRule
from kapbench.scoring.schema import GROUP_ERROR_PX, IDENTITY, TWIN_ERROR_PX, Records, has_column

CONCEPT, WRONG_MEMBER, SOCO_CC = "pck_concept", "wrong_member", "pck_cc"
IDENTITY_SHARE, IDENTITY_CHANCE = "identity", "identity_chance"
OF_IDENTITY = (IDENTITY_SHARE, IDENTITY_CHANCE)  # to which alpha does not matter
PART_SCORES = (CONCEPT, WRONG_MEMBER, SOCO_CC, *OF_IDENTITY)


def part_scores_in(records: Records, decode: Decode) -> tuple[str, ...]:
    """The metrics of this module that a table has the columns for; none of data without parts."""
    has_twin = (records["twin"] != records["keypoint"]).to_numpy(bool)
    if not (has_twin | (records["group"] >= 0).to_numpy(bool)).any():
        return ()
    lacks = {
        metric
        for metrics, column in (
            ((IDENTITY_SHARE,), IDENTITY.name),
            ((CONCEPT, WRONG_MEMBER, SOCO_CC), GROUP_ERROR_PX.of(decode)),
        )
        if not has_column(records, column)
        for metric in metrics
    }
    return tuple(metric for metric in PART_SCORES if metric not in lacks)


def part_score(
    records: Records,
    rule: PckRule,
    decode: Decode,
    alpha: float,
    average: str,
    metric: str,
    rows: Bool[np.ndarray, "n"],
) -> Estimator:
    """The mean of `part_values` over those of `rows` that count."""
    values, counted = part_values(records, rule, decode, alpha, metric)
    return mean_of_rows(records, values, average, rows & counted)


def part_values(
    records: Records, rule: PckRule, decode: Decode, alpha: float, metric: str
) -> tuple[Shaped[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """By row, what one of PART_SCORES is the mean of, and whether the row counts.

    pck_concept: share of mutually visible keypoints matched to within alpha · T of any visible member
    of their part, itself among them. wrong_member: of another member alone, so that it is pck_concept
    less PCK. pck_cc: as pck_concept, also of absent keypoints of whose part the target shows a member.
    identity: mean of the column of that name. identity_chance: mean of 1 / number of visible members
    over the same rows.
    """
    visible, members = records["target_visible"].to_numpy(bool), visible_members(records)
    if metric in OF_IDENTITY:
        if metric == IDENTITY_SHARE:
            values = records[IDENTITY.name].to_numpy(np.float64)
        else:
            values = 1 / np.maximum(members, 1)
        return values, visible & (members >= 2)
    at_part = at_any_member(records, rule, decode, alpha)
    if metric == SOCO_CC:
        return at_part, members >= 1
    if metric == WRONG_MEMBER:
        at_part &= ~pck_correct(records, rule, decode, alpha)
    return at_part, visible


def at_any_member(
    records: Records, rule: PckRule, decode: Decode, alpha: float
) -> Bool[np.ndarray, "n"]:
    """Whether each prediction is correct for its keypoint or another visible member of its part."""
    correct = pck_correct(records, rule, decode, alpha)
    for column in (TWIN_ERROR_PX, GROUP_ERROR_PX):  # NaN, where there is none, is not within
        correct |= is_within(records, column.of(decode), rule, alpha)
    return correct


def visible_members(records: Records) -> Int[np.ndarray, "n"]:
    """Number of the part's members that the target shows, the keypoint itself among them."""
    alone = records["target_visible"].to_numpy(np.int64) + records["twin_visible"].to_numpy(
        np.int64
    )
    grouped = (records["group"] >= 0).to_numpy(bool)
    return np.where(grouped, records["group_visible"].to_numpy(np.int64), alone)
