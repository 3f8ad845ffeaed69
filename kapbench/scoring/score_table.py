"""All scores of a run, in long form: one row per rule, average, alpha, split and category."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict

from kapbench.scoring.absence import absence_auroc
from kapbench.scoring.bootstrap import Replicates, Resampling, interval, replicates
from kapbench.scoring.estimators import Estimator, PooledPrecision
from kapbench.scoring.geco_splits import geco_splits_in, on_geco_splits
from kapbench.scoring.metrics import at_mirror_counterpart, kap, pck_correct, pck_rows, share
from kapbench.scoring.part_scores import (
    IDENTITY_CHANCE,
    OF_IDENTITY,
    PART_SCORES,
    part_score,
    part_scores_in,
)
from kapbench.scoring.rules import KapRule, OverCategories, PckRule, Rule
from kapbench.scoring.sample_scores import sample_scores
from kapbench.scoring.schema import Records
from kapbench.scoring.skill import Skill, kap_skill
from kapbench.scoring.splits import SPLITS, TWIN_SPLIT, annotated_splits, select
from kapbench.scoring.versions import SCORING_VERSION

KAP_SKILL, ABSENCE_AUROC = "kap_skill", "absence_auroc"
_WITHOUT_ALPHA = (ABSENCE_AUROC, *OF_IDENTITY)


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
    """A rule's score per category. `metric` defaults to the rule's own (kap or pck).

    Others are "kap_skill" and "absence_auroc", to which alpha and average do not matter, of KAP; and
    "pck_dagger", "symmetry_confusion" and PART_SCORES of PCK.
    """
    rows, twin_split = select(records, split), split == TWIN_SPLIT
    if isinstance(rule, KapRule):
        if metric == ABSENCE_AUROC:
            return absence_auroc(records, rule, with_twin=twin_split)
        score = kap_skill if metric == KAP_SKILL else kap
        return score(records, rule, alpha, average, rows, twin_split=twin_split)
    decode = rule.decode_for(supervised, window)
    if metric == "symmetry_confusion":
        at_twin = at_mirror_counterpart(records, rule, decode, alpha)
        return share(records, at_twin, average, rows & _twin_visible(records))
    if metric in PART_SCORES:
        return part_score(records, rule, decode, alpha, average, metric, rows)
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


def score_requests(
    rules: Sequence[Rule], *, has_absent: bool = True, scoring: int = SCORING_VERSION
) -> list[ScoreRequest]:
    """Every score of a table that is resampled. Beside a KAP comes its skill; without a request come
    prevalence, the samples' AUROC and rounding.

    KAP is not defined where no keypoint can be absent (`has_absent` False), and left out.

    Args:
        scoring: The version of scoring whose scores these are, from 4 on.
    """
    requests: list[ScoreRequest] = []
    for rule in rules:
        if isinstance(rule, KapRule):
            requests += _kap_requests(rule) if has_absent else ()
        else:
            requests += _pck_requests(rule)
            requests += part_requests(rule) if scoring >= 5 else ()
    return [*requests, *(on_geco_splits(requests) if scoring >= 5 else ())]


def _kap_requests(rule: KapRule) -> Iterator[ScoreRequest]:
    for alpha in rule.alphas:
        for split in SPLITS:
            for average, over in rule.averages.items():
                # A pair hardly ever has both labels of this split: its samples are always pooled.
                if not (average == "pair" and split == TWIN_SPLIT):
                    yield ScoreRequest(rule, "kap", average, alpha, split, over)
    for split in ("all", TWIN_SPLIT):
        yield ScoreRequest(rule, ABSENCE_AUROC, "category", rule.alphas[0], split, ("mean",))


def _pck_requests(rule: PckRule) -> Iterator[ScoreRequest]:
    plain = rule.subset == "all"
    splits = [s for s in SPLITS if s != TWIN_SPLIT] if plain else ["all"]
    for alpha in rule.alphas:
        for average, over in rule.averages.items():
            for split in splits:
                yield ScoreRequest(rule, "pck", average, alpha, split, over)
            for metric in ("pck_dagger", "symmetry_confusion") if plain else ():
                yield ScoreRequest(rule, metric, average, alpha, "all", over)


def part_requests(rule: PckRule) -> Iterator[ScoreRequest]:
    """The PART_SCORES of a rule that counts all keypoints; of other rules none."""
    if rule.subset != "all":
        return
    for average, over in rule.averages.items():
        for metric in PART_SCORES:
            alphas = rule.alphas[:1] if metric in _WITHOUT_ALPHA else rule.alphas
            for alpha in alphas:
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
    scoring: int = SCORING_VERSION,
    requests: Sequence[ScoreRequest] | None = None,
) -> list[Score]:
    """Every score of every rule: what run.json holds.

    Args:
        requests: Only these; None: all.
        scoring: As of `score_requests`.
        resampling: Draws of the records' images, for 95 % intervals; None: no intervals. Splits
            have intervals at a rule's first alpha only.
        advance: Called with 1 after each of `score_requests(rules)`.
        keep: Called with each score that has an interval, for a caller that needs its replicates.
    """
    scores: list[Score] = []
    splits, all_requests = annotated_splits(records) + geco_splits_in(records), requests is None
    if requests is None:
        requests = score_requests(rules, has_absent=has_absent, scoring=scoring)
    for request in requests:
        if advance is not None:
            advance(1)
        if request.split not in splits or not _has_columns(records, request, supervised, window):
            continue
        with_interval = request.split == "all" or request.alpha == request.rule.alphas[0]
        estimate = _estimate(records, request, supervised=supervised, window=window)
        draws = resampling if with_interval and request.metric != IDENTITY_CHANCE else None
        scores += _scores_of(records, request, estimate, draws, keep)
    for rule in rules if has_absent and all_requests else ():
        if isinstance(rule, KapRule):
            scores += [s for alpha in rule.alphas for s in _sample_scores(records, rule, alpha)]
    return scores


def _has_columns(
    records: Records, request: ScoreRequest, supervised: bool, window: int | None
) -> bool:
    rule, metric = request.rule, request.metric
    if metric not in PART_SCORES or not isinstance(rule, PckRule):
        return True
    return metric in part_scores_in(records, rule.decode_for(supervised, window))


def _estimate(
    records: Records, request: ScoreRequest, *, supervised: bool, window: int | None
) -> Estimator:
    """Of a KAP, its skill, which holds it."""
    return estimator(
        records,
        request.rule,
        request.alpha,
        request.average,
        metric=KAP_SKILL if request.metric == "kap" else request.metric,
        split=request.split,
        supervised=supervised,
        window=window,
    )


def _scores_of(
    records: Records,
    request: ScoreRequest,
    estimate: Estimator,
    resampling: Resampling | None,
    keep: Callable[[ScoreRequest, Estimator, Replicates], None] | None,
) -> Iterator[Score]:
    """A request's scores; with a KAP, its skill, which shares its replicates."""
    score = estimate.kap if isinstance(estimate, Skill) else estimate
    resampled = None if resampling is None else replicates(score, resampling)
    if resampled is not None and keep is not None:
        keep(request, score, resampled)
    rows = [*_rows(records, request, score, resampled)]
    if request.metric in _WITHOUT_ALPHA:
        for alpha in request.rule.alphas:
            yield from (row.model_copy(update={"alpha": alpha}) for row in rows)
    else:
        yield from rows
    if isinstance(estimate, Skill):
        if resampling is not None and resampled is not None:
            resampled = estimate.replicates(resampled, resampling)
        yield from _rows(records, replace(request, metric=KAP_SKILL), estimate, resampled)


def _rows(
    records: Records, request: ScoreRequest, estimate: Estimator, resampled: Replicates | None
) -> Iterator[Score]:
    """Of each category, then of each average over categories."""
    by = estimate.by_category()
    lowest = estimate.lowest if isinstance(estimate, PooledPrecision | Skill) else 0.0
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
            rule=request.rule.name,
            metric=request.metric,
            average=request.average,
            alpha=request.alpha,
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
    for metric, by in sample_scores(records, rule, alpha).items():
        names = [*records["category"].cat.categories, "mean"]
        every = [*zip(by.values, by.n, strict=True), (by.over_categories("mean"), by.n.sum())]
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


def _twin_visible(records: Records) -> Bool[np.ndarray, "n"]:
    return records["twin_visible"].to_numpy(bool)
