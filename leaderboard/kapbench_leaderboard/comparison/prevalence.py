"""Shares of positives: what a KAP is read beside, column by column."""

import math
from collections.abc import Sequence

from kapbench.running.results import RunCard

TWIN_SPLIT = "absent_with_twin"
SAME = 1e-9
Found = float | str  # a share, or the reason why there is none
_NOTHING = "no sample to score"
_UNKNOWN = "prevalence of a split does not follow from what the run keeps"


def prevalence(card: RunCard, rule: str, alpha: float, over: str, split: str = "all") -> Found:
    """Share of positives among a KAP rule's samples: a category's, or the mean of all."""
    categories = card.dataset.categories
    if over not in ("mean", *categories):
        return "prevalence is kept by category and as their mean alone"
    if split == TWIN_SPLIT:
        scored = card.score(rule, "kap", alpha, over, average="category", split=split)
        has = scored is not None and scored.value is not None
        return 0.5 if has else _NOTHING  # either label weighs the same there
    if split == "all":
        row = card.score(rule, "prevalence", alpha, over, average="category")
        if row is None:
            return "this run keeps no prevalence of it"
        return _NOTHING if row.value is None else row.value
    found = [_counted(card, rule, alpha, c, split) for c in categories if over in ("mean", c)]
    if any(share == _UNKNOWN for share in found):
        return _UNKNOWN
    known = [share for share in found if isinstance(share, float)]
    return sum(known) / len(known) if known else _NOTHING


def agree(cards: Sequence[RunCard], rules: Sequence[str], alpha: float) -> bool:
    """Whether runs on the same pairs have the same prevalence: a coarse grid may have no outside."""
    for rule in rules:
        rows = [card.score(rule, "prevalence", alpha, "mean", average="category") for card in cards]
        values = [row.value for row in rows if row is not None and row.value is not None]
        if values and max(values) - min(values) > SAME:
            return False
    return True


def _counted(card: RunCard, rule: str, alpha: float, category: str, split: str) -> Found:
    """Of a split, from what a run keeps of it.

    n of KAP are the samples, n of PCK per point the keypoints that both images show. A rule that
    has one positive for each of those has their ratio as its prevalence, of all and so of a split.
    """
    every, some = (_n(card, rule, "kap", "category", alpha, category, s) for s in ("all", split))
    if not every or not some:
        return _NOTHING
    kept = card.score(rule, "prevalence", alpha, category, average="category")
    for each in card.rules:
        shown, there = (
            _n(card, each.name, "pck", "point", alpha, category, s) for s in ("all", split)
        )
        if shown is None or there is None or kept is None or kept.value is None:
            continue
        if math.isclose(shown / every, kept.value, abs_tol=SAME):
            return there / some
    return _UNKNOWN


def _n(
    card: RunCard, rule: str, metric: str, average: str, alpha: float, category: str, split: str
) -> int | None:
    row = card.score(rule, metric, alpha, category, average=average, split=split)
    return None if row is None else row.n
