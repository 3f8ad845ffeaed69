"""Where the wrong matches of visible keypoints lie in the target image."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int8

from kapbench.scoring.estimators import Estimator
from kapbench.scoring.metrics import is_within, pck_correct, pck_rows, share
from kapbench.scoring.rules import Decode, PckRule
from kapbench.scoring.schema import (
    GROUP_ERROR_PX,
    ON_OBJECT,
    OTHER_ERROR_PX,
    TWIN_ERROR_PX,
    DecodeColumn,
    Records,
)

CORRECT, COUNTERPART, REPEATED, NEAR, OTHER, OBJECT, BACKGROUND, ELSEWHERE = range(8)
PLACES = (
    "correct",
    "mirror counterpart",
    "repeated part",
    "near miss",
    "other keypoint",
    "elsewhere on the object",
    "background",
    "elsewhere",
)
ABSENT = -1
NEAR_MISS = 2  # times α·T: a smaller error is a near miss


@dataclass(frozen=True, slots=True)
class Places:
    """`code` [n]: index into `PLACES` of each row's match; `ABSENT` where the keypoint is absent.

    `missing`: columns that these records lack, because an earlier version of kapbench wrote them.
    Matches at the kinds of keypoints concerned then count as near misses or as elsewhere, and
    without `ON_OBJECT` elsewhere is not divided.
    """

    code: Int8[np.ndarray, "n"]
    missing: tuple[DecodeColumn, ...]


def places(records: Records, rule: PckRule, decode: Decode, alpha: float) -> Places:
    """The first that fits of: correct by the rule; within α·T of the visible mirror counterpart; of
    another visible member of the part group; within 2·α·T of the keypoint; within α·T of any other
    keypoint annotated in the target; elsewhere, on the object or in the background.
    """
    n_rows = len(records)
    stored = (GROUP_ERROR_PX, OTHER_ERROR_PX, ON_OBJECT)
    missing = tuple(c for c in stored if _lacks(records, c.of(decode)))

    def at(column: DecodeColumn) -> Bool[np.ndarray, "n"]:
        if column in missing:
            return np.zeros(n_rows, bool)
        return is_within(records, column.of(decode), rule, alpha)

    elsewhere = np.full(n_rows, ELSEWHERE)
    if ON_OBJECT not in missing:
        on_object = records[ON_OBJECT.of(decode)].to_numpy()
        elsewhere = np.select([on_object == 1, on_object == 0], [OBJECT, BACKGROUND], ELSEWHERE)
    by_code = {
        ABSENT: ~records["target_visible"].to_numpy(bool),
        CORRECT: pck_correct(records, rule, decode, alpha),
        COUNTERPART: at(TWIN_ERROR_PX),
        REPEATED: at(GROUP_ERROR_PX),
        NEAR: pck_correct(records, rule, decode, NEAR_MISS * alpha),
        OTHER: at(OTHER_ERROR_PX),
    }
    code = np.select([*by_code.values()], [*by_code], elsewhere)
    return Places(code.astype(np.int8), missing)


def _lacks(records: Records, name: str) -> bool:
    try:
        records[name]
    except KeyError:
        return True
    return False


def place_shares(
    records: Records, rule: PckRule, at: Places, average: str, rows: Bool[np.ndarray, "n"]
) -> dict[str, Estimator]:
    """Share of the keypoints that the rule counts at each of `PLACES`; the sum is 1.

    "elsewhere" is left out where every such match is on the object or in the background.

    Args:
        average: "point" or "image", as of the rule.
        rows: Rows to diagnose, e.g. of a split.
    """
    counted = rows & pck_rows(records, rule)
    return {
        name: share(records, at.code == code, average, counted)
        for code, name in enumerate(PLACES)
        if code != ELSEWHERE or (at.code == ELSEWHERE).any()
    }
