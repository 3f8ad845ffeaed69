"""All scores of a run, in long form: one row per rule, average, alpha, split and category."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int

from kapbench.scoring.metrics import (
    ByCategory,
    Samples,
    kap,
    kap_samples,
    pck_correct,
    pck_rows,
    share,
)
from kapbench.scoring.precision import average_precision, roc_auc
from kapbench.scoring.rules import KapRule, OverCategories, PckRule, Rule
from kapbench.scoring.splits import SPLITS, select

ROUNDING_DRAWS = 5


@dataclass(frozen=True, slots=True)
class Score:
    """One number. `category` is a category's name or how categories were averaged.

    `value` is NaN where nothing can be said; `n` is what it was taken over: samples, keypoints,
    pairs. `low`, `high`: 95 % interval, NaN where none was computed.
    """

    rule: str
    metric: str
    average: str
    alpha: float
    split: str
    category: str
    value: float
    n: int
    low: float = float("nan")
    high: float = float("nan")


def estimate(
    records: pd.DataFrame,
    rule: Rule,
    alpha: float,
    average: str,
    *,
    metric: str | None = None,
    split: str = "all",
    weights: Float[np.ndarray, "*b n"] | None = None,
    supervised: bool = False,
) -> ByCategory:
    """A rule's score per category. `metric` defaults to the rule's own (kap or pck)."""
    rows = select(records, split)
    if isinstance(rule, KapRule):
        return kap(
            records, rule, alpha, average, rows, weights, twin_split=split == "absent_with_twin"
        )
    key = rule.decode_for(supervised).key
    correct = pck_correct(records, rule, key, alpha, dagger=metric == "pck_dagger")
    if metric == "symmetry_confusion":
        twin_error = records[f"twin_error_px@{key}"].to_numpy(float)
        at_twin = twin_error < alpha * records["size_px"].to_numpy(float)
        return share(records, at_twin & ~correct, average, rows & _twin_visible(records), weights)
    return share(records, correct, average, rows & pck_rows(records, rule), weights)


def score_table(
    records: pd.DataFrame,
    rules: Sequence[Rule],
    *,
    supervised: bool = False,
    has_absent: bool = True,
) -> list[Score]:
    """Every score of every rule: what run.json holds.

    KAP is not defined where no keypoint can be absent (`has_absent` False): no row is written.
    """
    out: list[Score] = []
    for rule in rules:
        if isinstance(rule, KapRule):
            if has_absent:
                out.extend(_kap_scores(records, rule))
        else:
            out.extend(_pck_scores(records, rule, supervised))
    return out


def _kap_scores(records: pd.DataFrame, rule: KapRule) -> Iterator[Score]:
    for alpha in rule.alphas:
        for split in SPLITS:
            for average, over in rule.averages.items():
                by = estimate(records, rule, alpha, average, split=split)
                yield from _rows(records, rule, "kap", average, alpha, split, by, over)
        yield from _sample_scores(records, rule, alpha)


def _pck_scores(records: pd.DataFrame, rule: PckRule, supervised: bool) -> Iterator[Score]:
    plain = rule.subset == "all"
    for alpha in rule.alphas:
        for average, over in rule.averages.items():
            for split in (s for s in SPLITS if s != "absent_with_twin") if plain else ("all",):
                by = estimate(records, rule, alpha, average, split=split, supervised=supervised)
                yield from _rows(records, rule, "pck", average, alpha, split, by, over)
            for metric in ("pck_dagger", "symmetry_confusion") if plain else ():
                by = estimate(records, rule, alpha, average, metric=metric, supervised=supervised)
                yield from _rows(records, rule, metric, average, alpha, "all", by, over)


def _rows(
    records: pd.DataFrame,
    rule: Rule,
    metric: str,
    average: str,
    alpha: float,
    split: str,
    by: ByCategory,
    over: Sequence[OverCategories],
) -> Iterator[Score]:
    for category, value, n in zip(records["category"].cat.categories, by.values, by.n, strict=True):
        yield Score(rule.name, metric, average, alpha, split, category, float(value), int(n))
    for how in over:
        value = float(by.over_categories(how))
        yield Score(rule.name, metric, average, alpha, split, how, value, int(by.n.sum()))


def _sample_scores(records: pd.DataFrame, rule: KapRule, alpha: float) -> Iterator[Score]:
    """Of a rule's pooled samples: prevalence, AUROC, and how far rounding alone moves KAP."""
    samples = kap_samples(records, rule, alpha)
    codes = records["category"].cat.codes.to_numpy(np.int64)[samples.row]
    k = len(records["category"].cat.categories)
    n = np.bincount(codes, minlength=k)
    positive = np.bincount(codes[samples.label], minlength=k)
    with np.errstate(invalid="ignore"):
        prevalence = positive / n
    auroc = [roc_auc(samples.label[codes == c], samples.score[codes == c]) for c in range(k)]
    found = {
        "prevalence": prevalence,
        "auroc": np.array(auroc),
        "rounding": _rounding(samples, codes, k),
    }
    for metric, values in found.items():
        by = ByCategory(values, n, n, n - positive)
        yield from _rows(records, rule, metric, "category", alpha, "all", by, ("mean",))


def _rounding(samples: Samples, codes: Int[np.ndarray, "s"], k: int) -> Float64[np.ndarray, "c"]:
    """Largest change of each category's AP over draws of one unit in the last place of noise.

    Scores that tie exactly are ordered by chance once a last bit differs; rules that rescale make
    hundreds of such ties.
    """
    rng = np.random.default_rng(0)
    exact = average_precision(samples.label, samples.score, None, codes, k)
    change = np.zeros(k)
    for _ in range(ROUNDING_DRAWS):
        step = rng.integers(-1, 2, len(samples.score)) * np.spacing(np.abs(samples.score))
        noisy = average_precision(samples.label, samples.score + step, None, codes, k)
        change = np.fmax(change, np.abs(noisy - exact))
    return np.where(np.isnan(exact), np.nan, change)


def _twin_visible(records: pd.DataFrame) -> Bool[np.ndarray, "n"]:
    return records["twin_visible"].to_numpy(bool)
