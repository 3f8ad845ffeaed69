"""Scores of a records table under a rule, per category, for any selection and weights of rows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int, Num

from kapbench.scoring.precision import average_precision
from kapbench.scoring.records import alpha_key
from kapbench.scoring.rules import KapRule, OverCategories, PckRule

Weights = Float[np.ndarray, "*b n"]


@dataclass(frozen=True, slots=True)
class ByCategory:
    """One score per category; `n` samples, keypoints or pairs behind each, `n_pairs`, negatives."""

    values: Float64[np.ndarray, "*b c"]
    n: Int[np.ndarray, "c"]
    n_pairs: Int[np.ndarray, "c"]
    n_negative: Int[np.ndarray, "c"]

    def over_categories(self, how: OverCategories) -> Float64[np.ndarray, "*b"]:
        """Average over categories.

        A category in which nothing was asked (n = 0) is left out; one that was asked but has no
        score makes the average NaN.
        """
        asked = self.n > 0
        if not asked.any():
            return np.full(self.values.shape[:-1], np.nan)
        by = {
            "mean": np.ones(len(asked)),
            "pair_weighted": self.n_pairs,
            "pooled": self.n,
            "negative_weighted": self.n_negative,
        }[how]
        with np.errstate(invalid="ignore"):
            weight = by[asked] / by[asked].sum()
        return np.asarray((self.values[..., asked] * weight).sum(axis=-1))


@dataclass(frozen=True, slots=True)
class Samples:
    """What an average precision is taken over; `row` is the record a sample came from."""

    label: Bool[np.ndarray, "s"]
    score: Num[np.ndarray, "s"]
    row: Int[np.ndarray, "s"]


def kap_samples(records: pd.DataFrame, rule: KapRule, alpha: float) -> Samples:
    """Samples in order of records: (inside, 1) and (outside, 0), or one (outside, 0) when absent.

    A side without any cell gives no sample, or one of score 0, as the rule's `empty` says.
    """
    key, at = rule.geometry.key, alpha_key(alpha)
    inside = records[f"inside@{key}@{at}"].to_numpy(np.float32)
    outside = records[f"outside@{key}@{at}"].to_numpy(np.float32)
    visible = records["target_visible"].to_numpy(bool)
    if rule.absent == "negative":
        outside = np.where(visible, outside, records[f"best@{key}"].to_numpy(np.float32))
    both = np.stack([inside, outside], axis=1)
    if rule.rescale == "pair-min-max":
        low = records[f"map_min@{key}"].to_numpy(np.float32)[:, None]
        span = records[f"map_max@{key}"].to_numpy(np.float32)[:, None] - low
        with np.errstate(invalid="ignore", divide="ignore"):
            # A pair without any contrast says nothing: all its scores tie at 0.
            both = np.where(span > 0, (both - low) / span, both * np.float32(0))
    if rule.empty == "zero":
        both = np.nan_to_num(both, nan=0.0)
    if rule.absent == "negative":
        both[~visible, 0] = np.nan
    row, column = np.nonzero(~np.isnan(both))
    return Samples(column == 0, both[row, column], row)


def kap(
    records: pd.DataFrame,
    rule: KapRule,
    alpha: float,
    average: str,
    rows: Bool[np.ndarray, "n"] | None = None,
    weights: Weights | None = None,
    *,
    twin_split: bool = False,
) -> ByCategory:
    """Average precision pooled per category, or the mean of each pair's.

    Args:
        rows: Records to ask about; None: all.
        twin_split: Keep, of target-visible keypoints that have a twin, only the positives, and the
            samples of absent keypoints whose twin is visible. Either label weighs the same within
            a category, so a score that ignores the image gets 0.5 whatever their numbers.
    """
    samples = kap_samples(records, rule, alpha)
    keep = np.ones(len(samples.row), bool) if rows is None else rows[samples.row]
    if twin_split:
        keep &= _twin_samples(records, samples)
    label, score, row = samples.label[keep], samples.score[keep], samples.row[keep]
    codes, n_categories = _codes(records, "category")
    category = codes[row]
    n = np.bincount(category, minlength=n_categories)
    n_negative = np.bincount(category[~label], minlength=n_categories)
    w = None if weights is None else weights[..., row]
    if twin_split:
        w = _balanced(label, n - n_negative, n_negative, category) * (1.0 if w is None else w)
    if average == "category":
        values = average_precision(label, score, w, category, n_categories)
        return ByCategory(values, n, pairs_by_category(records, row), n_negative)
    pair, n_pairs = _codes(records, "pair_id")
    values = average_precision(label, score, w, pair[row], n_pairs)
    return _mean_over_pairs(records, values, weights, n_negative)


def _twin_samples(records: pd.DataFrame, samples: Samples) -> Bool[np.ndarray, "s"]:
    visible = records["target_visible"].to_numpy(bool)
    has_twin = (records["twin"] != records["keypoint"]).to_numpy(bool)
    absent_with_twin = ~visible & records["twin_visible"].to_numpy(bool)
    positive = (visible & has_twin)[samples.row] & samples.label
    return np.asarray(positive | absent_with_twin[samples.row])


def _balanced(
    label: Bool[np.ndarray, "s"],
    n_positive: Int[np.ndarray, "c"],
    n_negative: Int[np.ndarray, "c"],
    category: Int[np.ndarray, "s"],
) -> Float64[np.ndarray, "s"]:
    """Weights that make a category's negatives as heavy as its positives."""
    ratio = n_positive / np.maximum(n_negative, 1)
    return np.where(label, 1.0, ratio[category])


def pck_correct(
    records: pd.DataFrame, rule: PckRule, decode_key: str, alpha: float, *, dagger: bool = False
) -> Bool[np.ndarray, "n"]:
    """Whether each record's prediction is right; `dagger`: and nearest to its own keypoint."""
    error = records[f"error_px@{decode_key}"].to_numpy(float)
    limit = alpha * records["size_px"].to_numpy(float)
    correct = error <= limit if rule.closed else error < limit
    if dagger:
        correct &= (records[f"nearest@{decode_key}"] == records["keypoint"]).to_numpy(bool)
    return np.asarray(correct)


def pck_rows(records: pd.DataFrame, rule: PckRule) -> Bool[np.ndarray, "n"]:
    """Mutually visible keypoints that the rule's subset counts."""
    rows = records["target_visible"].to_numpy(bool)
    if rule.subset == "repeated":
        return np.asarray(rows & (records["group_visible"] >= 2).to_numpy(bool))
    if rule.subset == "repeated-renumbered":
        return np.asarray(rows & (records["group_visible_renumbered"] >= 2).to_numpy(bool))
    return rows


def share(
    records: pd.DataFrame,
    correct: Bool[np.ndarray, "n"],
    average: str,
    rows: Bool[np.ndarray, "n"],
    weights: Weights | None = None,
) -> ByCategory:
    """Share of `correct` among `rows`: per point, or the mean of each pair's share."""
    index = np.flatnonzero(rows)
    w = np.ones(len(records)) if weights is None else weights
    key = "category" if average == "point" else "pair_id"
    codes, n_codes = _codes(records, key)
    asked = _sum_by(codes[index], w[..., index], n_codes)
    right = _sum_by(codes[index], w[..., index] * correct[index], n_codes)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(asked > 0, right / asked, np.nan)
    if average == "point":
        n = np.bincount(codes[index], minlength=n_codes)
        return ByCategory(values, n, pairs_by_category(records, index), np.zeros_like(n))
    n_categories = len(records["category"].cat.categories)
    return _mean_over_pairs(records, values, weights, np.zeros(n_categories, np.int64))


def _mean_over_pairs(
    records: pd.DataFrame,
    values: Float64[np.ndarray, "*b p"],
    weights: Weights | None,
    n_negative: Int[np.ndarray, "c"],
) -> ByCategory:
    """Mean per category over the pairs that have a score (a resample may weigh a pair 0)."""
    pair, n_pairs = _codes(records, "pair_id")
    category, n_categories = _codes(records, "category")
    present, first = np.unique(pair, return_index=True)
    of_pair = np.zeros(n_pairs, np.int64)
    of_pair[present] = category[first]
    w = np.ones(n_pairs) if weights is None else np.zeros((*weights.shape[:-1], n_pairs))
    if weights is not None:
        w[..., present] = weights[..., first]
    known = ~np.isnan(values)
    total = _sum_by(of_pair, w * known, n_categories)
    scored = _sum_by(of_pair, np.where(known, values, 0.0) * w, n_categories)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(total > 0, scored / total, np.nan)
    # A pair counts where any resample gives it a score: at weight zero it has none.
    counted = known.any(axis=tuple(range(known.ndim - 1)))
    n = np.bincount(of_pair[counted], minlength=n_categories)
    return ByCategory(mean, n, n, n_negative)


def pairs_by_category(records: pd.DataFrame, rows: Int[np.ndarray, "r"]) -> Int[np.ndarray, "c"]:
    """Number of distinct pairs among `rows`, per category."""
    pair, _ = _codes(records, "pair_id")
    category, n_categories = _codes(records, "category")
    _, first = np.unique(pair[rows], return_index=True)
    return np.bincount(category[rows][first], minlength=n_categories)


def _codes(records: pd.DataFrame, column: str) -> tuple[Int[np.ndarray, "n"], int]:
    values = records[column].cat
    return values.codes.to_numpy(np.int64), len(values.categories)


def _sum_by(
    codes: Int[np.ndarray, "n"], values: Float[np.ndarray, "*b n"], n_codes: int
) -> Float64[np.ndarray, "*b g"]:
    """Sums of `values` by code, over any leading batch axes."""
    order = np.argsort(codes, kind="stable")
    present, first = np.unique(codes[order], return_index=True)
    out = np.zeros((*values.shape[:-1], n_codes))
    if len(present):
        out[..., present] = np.add.reduceat(values[..., order].astype(np.float64), first, axis=-1)
    return out
