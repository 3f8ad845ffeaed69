"""The type of error of every row under a rule of KAP."""

import numpy as np

from kapbench.scoring.diagnosis.places import (
    BACKGROUND,
    CORRECT,
    COUNTERPART,
    ELSEWHERE,
    NEAR,
    OBJECT,
    OTHER,
    REPEATED,
    places,
)
from kapbench.scoring.diagnosis.shapley import RowSamples
from kapbench.scoring.metrics import scores_of_rows
from kapbench.scoring.rules import Decode, KapRule, PckRule
from kapbench.scoring.schema import Records

TYPES = (
    "second peak",
    "mirror counterpart",
    "repeated part",
    "near miss",
    "other keypoint",
    "elsewhere",
    "absent, counterpart visible",
    "absent, other",
)
_SECOND_PEAK = 0
_ABSENT_COUNTERPART, _ABSENT_OTHER = 6, 7
_OF_PLACE = {
    CORRECT: 3,  # correct by the rule of PCK, and a near miss by the circle of KAP
    NEAR: 3,
    COUNTERPART: 1,
    REPEATED: 2,
    OTHER: 4,
    OBJECT: 5,
    BACKGROUND: 5,
    ELSEWHERE: 5,
}


def typed_samples(
    records: Records, kap_rule: KapRule, pck_rule: PckRule, decode: Decode, alpha: float
) -> RowSamples:
    """The samples of KAP, the type of each row's error (an index into `TYPES`), and its fix.

    A visible keypoint whose best score inside the circle is at least the best outside is matched
    correctly: what it loses is the margin to the second peak. All other visible keypoints lose by
    the place of their match. Fixed, a visible keypoint has the higher of its two scores as its
    positive; the negative of any keypoint goes below every other score. A sample that is missing,
    because no cell is inside, stays missing.

    Args:
        pck_rule: Its decode gives the predicted points; its comparison with α·T applies to them.

    Raises:
        KapbenchError: as of `metrics.scores_of_rows`.
    """
    positive, negative = scores_of_rows(records, kap_rule, alpha).T
    visible = records["target_visible"].to_numpy(bool)
    at = places(records, pck_rule, decode, alpha)
    error_type = np.where(
        records["twin_visible"].to_numpy(bool), _ABSENT_COUNTERPART, _ABSENT_OTHER
    )
    for place, of_place in _OF_PLACE.items():
        error_type[at.code == place] = of_place
    error_type[visible & (positive >= negative)] = _SECOND_PEAK
    fixed = np.where(visible, np.maximum(positive, negative), positive)
    return RowSamples(positive, fixed, negative, error_type.astype(np.int8))


def tied_share(samples: RowSamples) -> float:
    """Share of the rows of type "second peak" whose two scores are equal; NaN without such a row.

    `typed_samples` takes their match for correct, and the decode of PCK may take the other place.
    """
    tied = (samples.positive == samples.negative)[samples.type == _SECOND_PEAK]
    return float(tied.mean()) if len(tied) else np.nan
