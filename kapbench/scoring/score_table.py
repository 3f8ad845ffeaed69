"""All scores of a run, in long form: one row per rule, average, alpha, split and category."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from kapbench.scoring.average_precision import average_precision, roc_auc
from kapbench.scoring.bootstrap import Resampling, interval, replicates
from kapbench.scoring.estimators import ByCategory, Estimator
from kapbench.scoring.metrics import (
    Samples,
    kap,
    kap_samples,
    pck_correct,
    pck_rows,
    share,
)
from kapbench.scoring.records import Records
from kapbench.scoring.rules import KapRule, OverCategories, PckRule, Rule
from kapbench.scoring.splits import SPLITS, known, select

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


def estimator(
    records: Records,
    rule: Rule,
    alpha: float,
    average: str,
    *,
    metric: str | None = None,
    split: str = "all",
    supervised: bool = False,
) -> Estimator:
    """A rule's score per category. `metric` defaults to the rule's own (kap or pck)."""
    rows = select(records, split)
    if isinstance(rule, KapRule):
        return kap(records, rule, alpha, average, rows, twin_split=split == "absent_with_twin")
    key = rule.decode_for(supervised).key
    correct = pck_correct(records, rule, key, alpha, dagger=metric == "pck_dagger")
    if metric == "symmetry_confusion":
        twin_error = records[f"twin_error_px@{key}"].to_numpy(float)
        at_twin = twin_error < alpha * records["size_px"].to_numpy(float)
        return share(records, at_twin & ~correct, average, rows & _twin_visible(records))
    return share(records, correct, average, rows & pck_rows(records, rule))


@dataclass(frozen=True, slots=True)
class Asked:
    """One score to take: of a rule, by an average, at an alpha, on a split."""

    rule: Rule
    metric: str
    average: str
    alpha: float
    split: str
    over: Sequence[OverCategories]


def asked(rules: Sequence[Rule], *, has_absent: bool = True) -> list[Asked]:
    """Everything that a table of scores holds, less what is said of samples.

    KAP is not defined where no keypoint can be absent (`has_absent` False): it is not asked for.
    """
    out: list[Asked] = []
    for rule in rules:
        if isinstance(rule, KapRule):
            out += _kap_asked(rule) if has_absent else ()
        else:
            out += _pck_asked(rule)
    return out


def _kap_asked(rule: KapRule) -> Iterator[Asked]:
    for alpha in rule.alphas:
        for split in SPLITS:
            for average, over in rule.averages.items():
                # A pair hardly ever has both labels of this split: its samples are pooled or none.
                if not (average == "pair" and split == "absent_with_twin"):
                    yield Asked(rule, "kap", average, alpha, split, over)


def _pck_asked(rule: PckRule) -> Iterator[Asked]:
    plain = rule.subset == "all"
    for alpha in rule.alphas:
        for average, over in rule.averages.items():
            for split in (s for s in SPLITS if s != "absent_with_twin") if plain else ("all",):
                yield Asked(rule, "pck", average, alpha, split, over)
            for metric in ("pck_dagger", "symmetry_confusion") if plain else ():
                yield Asked(rule, metric, average, alpha, "all", over)


def score_table(
    records: Records,
    rules: Sequence[Rule],
    *,
    supervised: bool = False,
    has_absent: bool = True,
    resampling: Resampling | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Score]:
    """Every score of every rule: what run.json holds.

    Args:
        resampling: Draws of the records' images, for 95 % intervals; None: none. Splits have
            theirs at a rule's first alpha.
        advance: Told of every score that was taken, of `len(asked(rules))`.
    """
    out: list[Score] = []
    telling = known(records)
    for ask in asked(rules, has_absent=has_absent):
        if advance is not None:
            advance(1)
        if ask.split not in telling:
            continue
        estimate = estimator(
            records, ask.rule, ask.alpha, ask.average, metric=ask.metric, split=ask.split,
            supervised=supervised,
        )  # fmt: skip
        with_interval = ask.split == "all" or ask.alpha == ask.rule.alphas[0]
        out += _rows(records, ask, estimate, resampling if with_interval else None)
    for rule in rules if has_absent else ():
        if isinstance(rule, KapRule):
            out += [s for alpha in rule.alphas for s in _sample_scores(records, rule, alpha)]
    return out


def _rows(
    records: Records, ask: Asked, estimate: Estimator, resampling: Resampling | None
) -> Iterator[Score]:
    by = estimate.by_category()
    one_each = np.eye(len(by.n))
    weights = [*one_each, *(by.weights(how) for how in ask.over)]
    names = [*records["category"].cat.categories, *ask.over]
    values = [*by.values, *(by.over_categories(how) for how in ask.over)]
    n = [*by.n, *[by.n.sum()] * len(ask.over)]
    again = None if resampling is None else replicates(estimate, resampling)
    for name, value, count, weight in zip(names, values, n, weights, strict=True):
        low = high = float("nan")
        if again is not None and count:
            found = interval(again, weight)
            low, high = (float(np.clip(bound, 0, 1)) for bound in (found.low, found.high))
        yield Score(
            ask.rule.name, ask.metric, ask.average, ask.alpha, ask.split, name, float(value),
            int(count), low, high,
        )  # fmt: skip


def _sample_scores(records: Records, rule: KapRule, alpha: float) -> Iterator[Score]:
    """Of a rule's pooled samples: prevalence, AUROC, and how far rounding alone moves KAP."""
    samples = kap_samples(records, rule, alpha)
    codes = records["category"].cat.codes.to_numpy()[samples.row]
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
        names = [*records["category"].cat.categories, "mean"]
        every = [*zip(values, n, strict=True), (by.over_categories("mean"), n.sum())]
        for name, (value, count) in zip(names, every, strict=True):
            yield Score(rule.name, metric, "category", alpha, "all", name, float(value), int(count))


def _rounding(samples: Samples, codes: Int[np.ndarray, "s"], k: int) -> Float64[np.ndarray, "c"]:
    """Largest change of each category's AP over draws of one unit in the last place of noise.

    Scores that tie exactly are ordered by chance once a last bit differs; rules that rescale make
    hundreds of such ties.
    """
    rng = np.random.default_rng(0)
    exact = average_precision(samples.label, samples.score, codes, k)
    change = np.zeros(k)
    for _ in range(ROUNDING_DRAWS):
        step = rng.integers(-1, 2, len(samples.score)).astype(np.int8)
        step = step * np.spacing(np.abs(samples.score))
        noisy = average_precision(samples.label, samples.score + step, codes, k)
        change = np.fmax(change, np.abs(noisy - exact))
    return np.where(np.isnan(exact), np.nan, change)


def _twin_visible(records: Records) -> Bool[np.ndarray, "n"]:
    return records["twin_visible"].to_numpy(bool)
