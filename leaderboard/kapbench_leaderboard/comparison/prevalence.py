"""Prevalence: the share of positives among the samples of a KAP, column by column."""

import math
from collections.abc import Sequence

from kapbench.running.results import RunCard
from kapbench.scoring.splits import TWIN_SPLIT

SAME = 1e-9
Share = float | str  # or the reason why there is none
_NOTHING = "There is no sample to score."
_UNKNOWN = "The prevalence of this split cannot be computed from the run's scores."


def prevalence(card: RunCard, rule: str, alpha: float, over: str, split: str = "all") -> Share:
    """Share of positives among a KAP rule's samples: a category's, or the mean of all."""
    categories = card.dataset.categories
    if over not in ("mean", *categories):
        return "The prevalence is stored by category and as their mean only."
    if split == TWIN_SPLIT:
        scored = card.score(rule, "kap", alpha, over, average="category", split=split)
        has = scored is not None and scored.value is not None
        return 0.5 if has else _NOTHING  # both labels have equal weight there
    if split == "all":
        row = card.score(rule, "prevalence", alpha, over, average="category")
        if row is None:
            return "The run stores no prevalence of this score."
        return _NOTHING if row.value is None else row.value
    shares = [_counted(card, rule, alpha, c, split) for c in categories if over in ("mean", c)]
    if any(share == _UNKNOWN for share in shares):
        return _UNKNOWN
    known = [share for share in shares if isinstance(share, float)]
    return sum(known) / len(known) if known else _NOTHING


def agree(cards: Sequence[RunCard], rules: Sequence[str], alpha: float) -> bool:
    """Whether runs have the same prevalence; on a coarse grid, a circle may have no outside."""
    for rule in rules:
        rows = [card.score(rule, "prevalence", alpha, "mean", average="category") for card in cards]
        values = [row.value for row in rows if row is not None and row.value is not None]
        if values and max(values) - min(values) > SAME:
            return False
    return True


def _counted(card: RunCard, rule: str, alpha: float, category: str, split: str) -> Share:
    """The prevalence of a split, from the numbers of samples that a run stores.

    n of KAP counts the samples, n of PCK per point the mutually visible keypoints. If a rule has one
    positive for each of those, their ratio is its prevalence, of all samples and so of a split.
    """
    every, some = (_n(card, rule, "kap", "category", alpha, category, s) for s in ("all", split))
    if not every or not some:
        return _NOTHING
    kept = card.score(rule, "prevalence", alpha, category, average="category")
    for each in card.rules:
        n_all, n_split = (
            _n(card, each.name, "pck", "point", alpha, category, s) for s in ("all", split)
        )
        if n_all is None or n_split is None or kept is None or kept.value is None:
            continue
        if math.isclose(n_all / every, kept.value, abs_tol=SAME):
            return n_split / some
    return _UNKNOWN


def _n(
    card: RunCard, rule: str, metric: str, average: str, alpha: float, category: str, split: str
) -> int | None:
    row = card.score(rule, metric, alpha, category, average=average, split=split)
    return None if row is None else row.n
