"""Scores of a records table under a rule: which rows count, and by which estimator."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int, Num, Shaped

from kapbench.errors import KapbenchError, counted
from kapbench.scoring.average_precision import average_precision
from kapbench.scoring.estimators import Estimator, PooledPrecision, Ratio
from kapbench.scoring.rules import Decode, Geometry, KapRule, PckRule
from kapbench.scoring.schema import (
    BEST,
    ERROR_PX,
    INSIDE,
    MAP_MAX,
    MAP_MIN,
    NEAREST,
    OUTSIDE,
    TWIN_ERROR_PX,
    Records,
)
from kapbench.scoring.splits import TWIN_SPLIT, select


@dataclass(frozen=True, slots=True)
class Samples:
    """What an average precision is taken over; `row` is the record a sample came from."""

    label: Bool[np.ndarray, "s"]
    score: Num[np.ndarray, "s"]
    row: Int[np.ndarray, "s"]


def kap_samples(records: Records, rule: KapRule, alpha: float) -> Samples:
    """Samples in order of records: (inside, 1) and (outside, 0), or one (outside, 0) when absent.

    Raises:
        KapbenchError: as of `scores_of_rows`.
    """
    both = scores_of_rows(records, rule, alpha)
    known = ~np.isnan(both)
    row = np.repeat(np.arange(len(both), dtype=np.int32), known.sum(axis=1))
    return Samples(np.broadcast_to([True, False], both.shape)[known], both[known], row)


def scores_of_rows(records: Records, rule: KapRule, alpha: float) -> Float32[np.ndarray, "n 2"]:
    """Scores of each row's positive (inside) and negative (outside) sample; NaN: no such sample.

    An inside without any cell gives no sample, or one of score 0, as the rule's `empty` says.

    Raises:
        KapbenchError: a keypoint has no cell outside, and so no negative; or the scores of a pair
            are not finite, or their span is not.
    """
    geometry = rule.geometry
    inside = records[INSIDE.of(geometry, alpha)].to_numpy(np.float32)
    outside = records[OUTSIDE.of(geometry, alpha)].to_numpy(np.float32)
    visible = records["target_visible"].to_numpy(bool)
    if rule.absent == "negative":
        outside = np.where(visible, outside, records[BEST.of(geometry)].to_numpy(np.float32))
    both = np.stack([inside, outside], axis=1)
    low, span = pair_range(records, geometry)
    _refuse_lost_samples(records, both, span)
    if rule.rescale == "pair-min-max":
        both = rescaled_in_pair(both, low[:, None], span[:, None])
    if rule.empty == "zero":
        both = np.nan_to_num(both, nan=0.0)
    if rule.absent == "negative":
        both[~visible, 0] = np.nan
    return both


def pair_range(
    records: Records, geometry: Geometry
) -> tuple[Float32[np.ndarray, "n"], Float32[np.ndarray, "n"]]:
    """Lowest score in all maps of each row's pair, and the highest less the lowest."""
    low, high = (records[column.of(geometry)].to_numpy(np.float32) for column in (MAP_MIN, MAP_MAX))
    with np.errstate(invalid="ignore", over="ignore"):
        return low, high - low


def rescaled_in_pair(
    scores: Float32[np.ndarray, "n *k"],
    low: Float32[np.ndarray, "n *one"],
    span: Float32[np.ndarray, "n *one"],
) -> Float32[np.ndarray, "n *k"]:
    """Scores from 0 to 1. Where all scores of a pair are equal, they all become 0 and tie."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(span > 0, (scores - low) / span, scores * np.float32(0))


def _refuse_lost_samples(
    records: Records, both: Num[np.ndarray, "n 2"], span: Num[np.ndarray, "n"]
) -> None:
    """KapbenchError where a sample would be lost without a word, or be no number."""
    for problem, broken in (
        ("no cell outside a keypoint's circle, and so no negative sample", np.isnan(both[:, 1])),
        ("confidences that are not finite", np.isinf(both).any(axis=1)),
        ("a difference of confidences that is not finite in float32", ~np.isfinite(span)),
    ):
        if broken.any():
            raise KapbenchError(
                f"The records have {counted(int(broken.sum()), 'row')} with {problem}",
                place=f"pair {records['pair_id'].iloc[int(broken.argmax())]}",
                fix="Run the model again: this version of kapbench says what to change in the maps",
            )


def kap(
    records: Records,
    rule: KapRule,
    alpha: float,
    average: str,
    rows: Bool[np.ndarray, "n"] | None = None,
    *,
    twin_split: bool = False,
) -> Estimator:
    """Average precision pooled per category, or the mean of each pair's.

    Args:
        rows: The rows to score; None: all.
        twin_split: Keep only the positives of visible keypoints that have a mirror counterpart,
            and the negatives of absent keypoints whose counterpart is visible. Both labels weigh
            the same within a category, so a score that ignores the image gets 0.5 whatever their
            numbers.
    """
    samples = kap_samples(records, rule, alpha)
    return kap_of_samples(records, samples, average, rows, twin_split=twin_split)


def kap_of_samples(
    records: Records,
    samples: Samples,
    average: str,
    rows: Bool[np.ndarray, "n"] | None = None,
    *,
    twin_split: bool = False,
) -> Estimator:
    """`kap` of samples whose scores may be others than the model's."""
    keep = np.ones(len(samples.row), bool) if rows is None else rows[samples.row]
    if twin_split:
        visible = records["target_visible"].to_numpy(bool)
        keep &= select(records, TWIN_SPLIT)[samples.row]
        keep &= samples.label | ~visible[samples.row]
    label, score, row = samples.label[keep], samples.score[keep], samples.row[keep]
    del samples, keep  # as large as what was kept of them
    category, n_categories = _codes(records, "category")
    pair, n_pairs = _codes(records, "pair_id")
    of_pairs = pairs_by_category(records, row)
    if average == "pair":
        n_negative = np.bincount(category[row][~label], minlength=n_categories)
        precision = average_precision(label, score, pair[row], n_pairs)
        return mean_over_pairs(records, precision, n_negative, of_pairs)
    return PooledPrecision(label, score, pair[row], category[row], of_pairs, balanced=twin_split)


def pck_correct(
    records: Records, rule: PckRule, decode: Decode, alpha: float, *, dagger: bool = False
) -> Bool[np.ndarray, "n"]:
    """Whether each prediction is correct; `dagger`: and nearest to its own keypoint."""
    correct = is_within(records, ERROR_PX.of(decode), rule, alpha)
    if dagger:
        correct &= (records[NEAREST.of(decode)] == records["keypoint"]).to_numpy(bool)
    return np.asarray(correct)


def at_mirror_counterpart(
    records: Records, rule: PckRule, decode: Decode, alpha: float
) -> Bool[np.ndarray, "n"]:
    """Whether each prediction is correct for the mirror counterpart and not for its keypoint."""
    at_twin = is_within(records, TWIN_ERROR_PX.of(decode), rule, alpha)
    return np.asarray(at_twin & ~pck_correct(records, rule, decode, alpha))


def is_within(
    records: Records, error_px: str, rule: PckRule, alpha: float
) -> Bool[np.ndarray, "n"]:
    """Whether each error in a column is below alpha · T, or equal to it where the rule says <=."""
    error = records[error_px].to_numpy(float)
    limit = alpha * records["size_px"].to_numpy(float)
    return np.asarray(error <= limit if rule.closed else error < limit)


def pck_rows(records: Records, rule: PckRule) -> Bool[np.ndarray, "n"]:
    """The rows that the rule's subset counts, of keypoints visible in both images."""
    rows = records["target_visible"].to_numpy(bool)
    if rule.subset == "repeated":
        return np.asarray(rows & (records["group_visible"] >= 2).to_numpy(bool))
    if rule.subset == "repeated-renumbered":
        return np.asarray(rows & (records["group_visible_renumbered"] >= 2).to_numpy(bool))
    return rows


def share(
    records: Records, correct: Bool[np.ndarray, "n"], average: str, rows: Bool[np.ndarray, "n"]
) -> Estimator:
    """Share of `correct` among `rows`: per point, or the mean of each pair's share."""
    return mean_of_rows(records, correct, average, rows)


def mean_of_rows(
    records: Records, values: Shaped[np.ndarray, "n"], average: str, rows: Bool[np.ndarray, "n"]
) -> Estimator:
    """Mean of `values`, numbers or whether they are 1, over `rows`: of points, or of pairs' means."""
    pair, n_pairs = _codes(records, "pair_id")
    category, n_categories = _codes(records, "category")
    n_rows = np.bincount(pair[rows], minlength=n_pairs).astype(np.float64)
    total = np.bincount(pair[rows], weights=values[rows], minlength=n_pairs).astype(np.float64)
    no_negatives = np.zeros(n_categories, np.int64)
    of_pairs = pairs_by_category(records, np.flatnonzero(rows))
    if average == "point":
        n = np.bincount(category[rows], minlength=n_categories)
        return Ratio(total, n_rows, _category_of_pair(records), n, of_pairs, no_negatives)
    with np.errstate(invalid="ignore"):
        means = total / n_rows
    return mean_over_pairs(records, means, no_negatives, of_pairs)


def mean_over_pairs(
    records: Records,
    values: Float64[np.ndarray, "p"],
    n_negative: Int[np.ndarray, "c"],
    n_pairs_with_samples: Int[np.ndarray, "c"],
) -> Ratio:
    """Mean per category over the pairs that have a score, which n counts.

    Args:
        n_pairs_with_samples: Of each category. Where none of these pairs has a score, this number
            is n: the category then has no score, and is not taken for one without samples.
    """
    category = _category_of_pair(records)
    known = ~np.isnan(values)
    n = np.bincount(category[known], minlength=len(n_negative))
    n = np.where(n > 0, n, n_pairs_with_samples)
    weight = known.astype(np.float64)
    return Ratio(np.where(known, values, 0.0), weight, category, n, n, n_negative)


def _category_of_pair(records: Records) -> Int[np.ndarray, "p"]:
    """Category's number of each pair; −1 for a pair without rows."""
    pair, n_pairs = _codes(records, "pair_id")
    out = np.full(n_pairs, -1, np.int64)
    out[pair] = _codes(records, "category")[0]
    return out


def pairs_by_category(records: Records, rows: Int[np.ndarray, "r"]) -> Int[np.ndarray, "c"]:
    """Number of distinct pairs among `rows`, per category."""
    pair, n_pairs = _codes(records, "pair_id")
    has_rows = np.zeros(n_pairs, bool)
    has_rows[pair[rows]] = True
    n_categories = len(records["category"].cat.categories)
    return np.bincount(_category_of_pair(records)[has_rows], minlength=n_categories)


def _codes(records: Records, column: str) -> tuple[Int[np.ndarray, "n"], int]:
    values = records[column].array
    assert isinstance(values, pd.Categorical)
    return np.asarray(values.codes), len(values.categories)
