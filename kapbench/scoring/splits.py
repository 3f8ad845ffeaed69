"""The rows of each split."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from kapbench.errors import unknown
from kapbench.scoring.geco_splits import GECO_SPLITS, rows_of
from kapbench.scoring.schema import Records

TWIN_SPLIT = "absent_with_twin"
_Selector = Callable[[Records], np.ndarray]


def _has_twin(records: Records) -> np.ndarray:
    return (records["twin"] != records["keypoint"]).to_numpy(bool)


def _is_symmetric(records: Records) -> np.ndarray:
    return np.asarray(_has_twin(records) | (records["group"] >= 0).to_numpy(bool))


def _twin_split(records: Records) -> np.ndarray:
    shows_either = (records["target_visible"] | records["twin_visible"]).to_numpy(bool)
    return np.asarray(_has_twin(records) & shows_either)


def _viewpoint(change: int) -> _Selector:
    return lambda records: (records["viewpoint_change"] == change).to_numpy(bool)


def _difficulty(column: str, present: bool) -> _Selector:
    """Pairs in which some image, or none, is truncated or occluded. Unknown (−1) is in neither split."""
    if present:
        return lambda records: (records[column] > 0).to_numpy(bool)
    return lambda records: (records[column] == 0).to_numpy(bool)


_SPLITS: dict[str, _Selector] = {
    "all": lambda records: np.ones(len(records), bool),
    "symmetric": _is_symmetric,
    "other": lambda records: ~_is_symmetric(records),
    TWIN_SPLIT: _twin_split,
    **{f"viewpoint={change}": _viewpoint(change) for change in range(5)},
    **{
        f"{column}={word}": _difficulty(column, present)
        for column in ("truncation", "occlusion")
        for word, present in (("none", False), ("some", True))
    },
}
SPLITS = tuple(_SPLITS)
_SPLITS |= {split: rows_of(split) for split in GECO_SPLITS}  # which have scores of their own


def annotated_splits(records: Records) -> tuple[str, ...]:
    """Splits that the data set annotates: truncation and occlusion only where any pair's is known."""
    unknown_columns = [c for c in ("truncation", "occlusion") if not (records[c] >= 0).any()]
    return tuple(s for s in SPLITS if s.partition("=")[0] not in unknown_columns)


def select(records: Records, split: str) -> Bool[np.ndarray, "n"]:
    """Rows of a split: symmetric (has a mirror counterpart or repetitions), other, absent_with_twin
    (has a mirror counterpart; absent keypoints only where the target shows it), viewpoint=0 … 4,
    truncation=none, =some, occlusion=none, =some, and GECO_SPLITS.

    Raises:
        KapbenchError: no such split.
    """
    if split not in _SPLITS:
        raise unknown("split", split, _SPLITS)
    return _SPLITS[split](records)
