"""All scores of a run, in long form: one row per rule, average, alpha, split and category."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from pydantic import BaseModel, ConfigDict

from kapbench.scoring.average_precision import average_precision, roc_auc
from kapbench.scoring.bootstrap import Replicates, Resampling, interval, replicates
from kapbench.scoring.estimators import ByCategory, Estimator, PooledPrecision
from kapbench.scoring.metrics import (
    Samples,
    at_mirror_counterpart,
    kap,
    kap_samples,
    pck_correct,
    pck_rows,
    share,
)
from kapbench.scoring.rules import KapRule, OverCategories, PckRule, Rule
from kapbench.scoring.schema import Records
from kapbench.scoring.splits import SPLITS, annotated_splits, select

ROUNDING_DRAWS = 5


class Score(BaseModel):
    """One number, in memory and in run.json.

    `category`: a category's name, or how categories were averaged. `value`: None where it is not
    defined, e.g. without a positive sample. `n`: what it was taken over (samples, keypoints or
    pairs). `low`, `high`: ends of the 95 % interval, None where none was computed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rule: str
    metric: str
    average: str
    alpha: float
    split: str
    category: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None


def estimator(
    records: Records,
    rule: Rule,
    alpha: float,
    average: str,
    *,
    metric: str | None = None,
    split: str = "all",
    supervised: bool = False,
    window: int | None = None,
) -> Estimator:
    """A rule's score per category. `metric` defaults to the rule's own (kap or pck)."""
    rows = select(records, split)
    if isinstance(rule, KapRule):
        return kap(records, rule, alpha, average, rows, twin_split=split == "absent_with_twin")
    decode = rule.decode_for(supervised, window)
    if metric == "symmetry_confusion":
        at_twin = at_mirror_counterpart(records, rule, decode, alpha)
        return share(records, at_twin, average, rows & _twin_visible(records))
    correct = pck_correct(records, rule, decode, alpha, dagger=metric == "pck_dagger")
    return share(records, correct, average, rows & pck_rows(records, rule))


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A score to compute: a rule's, by one average, at one alpha, on one split."""

    rule: Rule
    metric: str
    average: str
    alpha: float
    split: str
    over: Sequence[OverCategories]


def score_requests(rules: Sequence[Rule], *, has_absent: bool = True) -> list[ScoreRequest]:
    """Every score of a table that is an average; prevalence, AUROC and rounding come beside it.

    KAP is not defined where no keypoint can be absent (`has_absent` False), and left out.
    """
    requests: list[ScoreRequest] = []
    for rule in rules:
        if isinstance(rule, KapRule):
            requests += _kap_requests(rule) if has_absent else ()
        else:
            requests += _pck_requests(rule)
    return requests


def _kap_requests(rule: KapRule) -> Iterator[ScoreRequest]:
    for alpha in rule.alphas:
        for split in SPLITS:
            for average, over in rule.averages.items():
                # A pair hardly ever has both labels of this split: its samples are always pooled.
                if not (average == "pair" and split == "absent_with_twin"):
                    yield ScoreRequest(rule, "kap", average, alpha, split, over)


def _pck_requests(rule: PckRule) -> Iterator[ScoreRequest]:
    plain = rule.subset == "all"
    splits = [s for s in SPLITS if s != "absent_with_twin"] if plain else ["all"]
    for alpha in rule.alphas:
        for average, over in rule.averages.items():
            for split in splits:
                yield ScoreRequest(rule, "pck", average, alpha, split, over)
            for metric in ("pck_dagger", "symmetry_confusion") if plain else ():
                yield ScoreRequest(rule, metric, average, alpha, "all", over)


def score_table(
    records: Records,
    rules: Sequence[Rule],
    *,
    supervised: bool = False,
    window: int | None = None,
    has_absent: bool = True,
    resampling: Resampling | None = None,
    advance: Callable[[int], None] | None = None,
    keep: Callable[[ScoreRequest, Estimator, Replicates], None] | None = None,
) -> list[Score]:
    """Every score of every rule: what run.json holds.

    Args:
        resampling: Draws of the records' images, for 95 % intervals; None: no intervals. Splits
            have intervals at a rule's first alpha only.
        advance: Called with 1 after each of `score_requests(rules)`.
        keep: Called with each score that has an interval, for a caller that needs its replicates.
    """
    scores: list[Score] = []
    splits = annotated_splits(records)
    for request in score_requests(rules, has_absent=has_absent):
        if advance is not None:
            advance(1)
        if request.split not in splits:
            continue
        with_interval = request.split == "all" or request.alpha == request.rule.alphas[0]
        estimate = _estimate(records, request, supervised=supervised, window=window)
        resampled = None
        if resampling is not None and with_interval:
            resampled = replicates(estimate, resampling)
            if keep is not None:
                keep(request, estimate, resampled)
        scores += _scores_of(records, request, estimate, resampled)
    for rule in rules if has_absent else ():
        if isinstance(rule, KapRule):
            scores += [s for alpha in rule.alphas for s in _sample_scores(records, rule, alpha)]
    return scores


def _estimate(
    records: Records, request: ScoreRequest, *, supervised: bool, window: int | None
) -> Estimator:
    return estimator(
        records,
        request.rule,
        request.alpha,
        request.average,
        metric=request.metric,
        split=request.split,
        supervised=supervised,
        window=window,
    )


def _scores_of(
    records: Records, request: ScoreRequest, estimate: Estimator, resampled: Replicates | None
) -> Iterator[Score]:
    """Of each category, then of each average over categories."""
    rule, alpha, average = request.rule, request.alpha, request.average
    by = estimate.by_category()
    lowest = estimate.lowest if isinstance(estimate, PooledPrecision) else 0.0
    weights = [*np.eye(len(by.n)), *(by.weights(how) for how in request.over)]
    names = [*records["category"].cat.categories, *request.over]
    values = [*by.values, *(by.over_categories(how) for how in request.over)]
    counts = [*by.n, *[by.n.sum()] * len(request.over)]
    for name, value, count, weight in zip(names, values, counts, weights, strict=True):
        low = high = None
        if resampled is not None and count:
            bounds = interval(resampled, weight, "logit", lowest)
            low, high = _number(bounds.low), _number(bounds.high)
        yield Score(
            rule=rule.name,
            metric=request.metric,
            average=average,
            alpha=alpha,
            split=request.split,
            category=name,
            value=_number(value),
            n=int(count),
            low=low,
            high=high,
        )


def _number(value: Float[np.ndarray, ""] | float) -> float | None:
    """NaN, of arithmetic, is None in a score and null in run.json."""
    return None if np.isnan(value) else float(value)


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
    by_metric = {
        "prevalence": prevalence,
        "auroc": np.array(auroc),
        "rounding": _rounding(samples, codes, k),
    }
    for metric, values in by_metric.items():
        by = ByCategory(values, n, n, n - positive)
        names = [*records["category"].cat.categories, "mean"]
        every = [*zip(values, n, strict=True), (by.over_categories("mean"), n.sum())]
        for name, (value, count) in zip(names, every, strict=True):
            yield Score(
                rule=rule.name,
                metric=metric,
                average="category",
                alpha=alpha,
                split="all",
                category=name,
                value=_number(value),
                n=int(count),
            )


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
