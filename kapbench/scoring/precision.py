"""Average precision and area under the ROC curve, weighted, many groups at once."""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Num


def average_precision(
    labels: Bool[np.ndarray, "n"],
    scores: Num[np.ndarray, "n"],
    weights: Float[np.ndarray, "*b n"] | None = None,
    groups: Int[np.ndarray, "n"] | None = None,
    n_groups: int = 1,
) -> Float64[np.ndarray, "*b g"]:
    """Σ (R_i − R_{i−1})·P_i over the distinct scores of each group, highest first.

    Equal scores move together, as scikit-learn defines it. An integer weight is a repeated sample.
    A group without positive weight on a positive has no score: NaN.

    Args:
        weights: One weight a sample, with any leading batch axes (bootstrap resamples).
        groups: Group number of each sample, 0 … n_groups − 1; None: one group.
    """
    group = np.zeros(len(labels), np.int64) if groups is None else groups
    order = np.lexsort((-scores, group))
    label, score, group = labels[order], scores[order], group[order]
    w = np.ones(len(labels)) if weights is None else weights[..., order].astype(np.float64)
    out = np.full((*w.shape[:-1], n_groups), np.nan)
    if not len(labels):
        return out
    changes = np.append((score[1:] != score[:-1]) | (group[1:] != group[:-1]), True)
    ends = np.flatnonzero(changes)
    first = np.searchsorted(group, np.unique(group))  # first sample of each group that occurs
    end_group = np.searchsorted(group[first], group[ends])
    true = _within(np.cumsum(w * label, axis=-1), ends, first, end_group)
    taken = _within(np.cumsum(w, axis=-1), ends, first, end_group)
    first_end = np.searchsorted(end_group, np.arange(len(first)))
    gained = np.diff(true, axis=-1, prepend=0.0)
    gained[..., first_end] = true[..., first_end]
    with np.errstate(invalid="ignore", divide="ignore"):
        area = np.add.reduceat(np.where(taken > 0, gained * true / taken, 0.0), first_end, axis=-1)
        last_end = np.append(first_end[1:], len(ends)) - 1
        positives = true[..., last_end]
        out[..., group[first]] = np.where(positives > 0, area / positives, np.nan)
    return out


def _within(
    total: Float64[np.ndarray, "*b n"],
    ends: Int[np.ndarray, "e"],
    first: Int[np.ndarray, "g"],
    end_group: Int[np.ndarray, "e"],
) -> Float64[np.ndarray, "*b e"]:
    """Running totals at the ends of ties, counted from the start of each group."""
    before = np.where(first > 0, total[..., np.maximum(first - 1, 0)], 0.0)
    return np.asarray(total[..., ends] - before[..., end_group])


def roc_auc(labels: Bool[np.ndarray, "n"], scores: Num[np.ndarray, "n"]) -> float:
    """Chance that a positive scores above a negative, ties half; NaN without either kind."""
    n_positive = int(labels.sum())
    n_negative = len(labels) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    ranks = mean_rank[inverse][labels].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
