"""Average precision, many groups at once, and area under the ROC curve."""

import numpy as np
from jaxtyping import Bool, Float64, Int, Num

_MOST = 1 << 20  # samples whose ranking is held at once, where they are of several groups


def average_precision(
    labels: Bool[np.ndarray, "n"],
    scores: Num[np.ndarray, "n"],
    groups: Int[np.ndarray, "n"] | None = None,
    n_groups: int = 1,
) -> Float64[np.ndarray, "g"]:
    """Σ (R_i − R_{i−1})·P_i over the distinct scores of each group, highest first.

    Equal scores move together, as scikit-learn defines it. A group without a positive, or without
    a negative, has no score: NaN.

    Args:
        groups: Group number of each sample, 0 … n_groups − 1; None: one group.
    """
    out = np.full(n_groups, np.nan)
    if not len(labels):
        return out
    group = np.zeros(len(labels), np.int64) if groups is None else groups
    if len(labels) > _MOST and n_groups > 1:
        half = n_groups // 2
        cuts = ((group < half, 0, half), (group >= half, half, n_groups - half))
        return np.concatenate(
            [average_precision(labels[m], scores[m], group[m] - low, n) for m, low, n in cuts]
        )
    order = np.lexsort((-scores, group))
    label, score, group = labels[order], scores[order], group[order]
    ends = np.flatnonzero(np.append((score[1:] != score[:-1]) | (group[1:] != group[:-1]), True))
    first = np.searchsorted(group, np.unique(group))  # first sample of each group that occurs
    end_group = np.searchsorted(group[first], group[ends])
    before = np.append(0, np.cumsum(label))[first]
    true = np.cumsum(label)[ends] - before[end_group]
    taken = ends + 1 - first[end_group]
    first_end = np.searchsorted(end_group, np.arange(len(first)))
    gained = np.diff(true, prepend=0)
    gained[first_end] = true[first_end]
    area = np.add.reduceat(gained * true / taken, first_end)
    last_end = np.append(first_end[1:], len(ends)) - 1
    positives, size = true[last_end], taken[last_end]
    with np.errstate(invalid="ignore"):
        both = (positives > 0) & (positives < size)
        out[group[first]] = np.where(both, area / positives, np.nan)
    return out


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
