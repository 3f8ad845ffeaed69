"""What a model does significantly better or worse than the others of its board, a sentence each.

Nothing is said that a test does not support. "The median" is that of the other models' scores, and
differences from it are taken on the same resamples of images.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kapbench.running.diagnosis.sentence import WORDS, points
from kapbench.scoring.bootstrap import interval
from kapbench_leaderboard.comparison.median_gaps import (
    Gap,
    by_category,
    corrected,
    in_average,
    median_model,
)
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.comparison.significance import SIGNIFICANT
from kapbench_leaderboard.comparison.split_scores import SplitScores
from kapbench_leaderboard.comparison.standings import Standings, negated
from kapbench_leaderboard.comparison.strength_words import (
    METRICS,
    count_words,
    gaps_words,
    size_words,
    split_words,
    value_words,
)
from kapbench.scoring.splits import TWIN_SPLIT

MOST = 3  # categories, types or models that a sentence names
NOTHING = "No difference from the other models of this board is significant."
ALONE = "There is no other model on this board to compare with."
_TWIN_AUROC = f"absence_auroc.{TWIN_SPLIT}"


@dataclass(frozen=True, slots=True)
class Fact:
    """A significant fact; `is_strength`: otherwise a weakness."""

    is_strength: bool
    text: str


@dataclass(frozen=True)
class Evidence:
    """What is known of one model of a board.

    `parts`: None where its records are elsewhere. `skill`: KAP skill with the ends of its interval.
    """

    label: str
    resamples: Resamples
    parts: SplitScores | None = None
    skill: tuple[float, float, float] | None = None


def facts(models: Sequence[Evidence], place: int, tests: Mapping[str, Standings]) -> list[Fact]:
    """Of the model at `place`; strengths first.

    Args:
        models: All of one board, without controls.
        tests: Of these models, by column of their resamples.
    """
    own, others = models[place], [m for i, m in enumerate(models) if i != place]
    made = [
        *_against_others(own, others, place, tests),
        *_reversals(place, tests),
        *_splits(own, others),
        *_losses(own, others),
        *_alone(own),
    ]
    return sorted(made, key=lambda fact: not fact.is_strength)


def _against_others(
    own: Evidence, others: Sequence[Evidence], place: int, tests: Mapping[str, Standings]
) -> Iterator[Fact]:
    """On average, then by category."""
    if not others:
        return
    for column, name in (*METRICS.items(), (_TWIN_AUROC, "Absence AUROC (twin)")):
        if column not in tests:
            continue
        mine = own.resamples.columns[column]
        theirs = [other.resamples.columns[column] for other in others]
        mean = in_average(mine, theirs, own.resamples.weights[column])
        if mean.p < SIGNIFICANT:
            standing = _standing(tests[column], place)
            yield _fact(mean.value, f"{name}: {_side(mean.value, others, mean)}{standing}.")
        if column in METRICS and len(own.resamples.categories) > 1:
            yield from _categories(name, others, by_category(mine, theirs, own.resamples.categories))


def _side(value: float, others: Sequence[Evidence], gap: object = None) -> str:
    """Where a difference lies: of an interval, or of none."""
    side = "above" if value > 0 else "below"
    words = "" if gap is None else f"{size_words(gap)} points "  # type: ignore[arg-type]
    return f"{words}{side} {_median(others)}"


def _median(others: Sequence[Evidence]) -> str:
    if len(others) == 1:
        return f"{others[0].label}, the only other model"
    return f"the median of the {len(others)} other models"


def _standing(tests: Standings, place: int) -> str:
    better, worse = tests.better(place), tests.worse(place)
    if len(tests.labels) < 3 or not (better or worse):
        return ""
    return (
        f"; significantly better than {count_words(len(better), 'model')} and worse than {len(worse)}"
    )


def _categories(name: str, others: Sequence[Evidence], gaps: Sequence[Gap]) -> Iterator[Fact]:
    for sign in (1, -1):
        chosen = _largest(gaps, sign)
        if chosen:
            where = gaps_words(chosen[:MOST])
            more = f" and in {len(chosen) - MOST} more" if len(chosen) > MOST else ""
            text = f"{name} by category: {_side(sign, others)} in {where}{more}."
            yield Fact(sign > 0, text)


def _reversals(place: int, tests: Mapping[str, Standings]) -> Iterator[Fact]:
    """Models that are significantly on the other side by KAP than by PCK."""
    if not all(column in tests for column in METRICS):
        return
    kap, pck = tests["kap"], tests["pck"]
    for up, down, first in (
        (kap.better(place), pck.worse(place), True),
        (kap.worse(place), pck.better(place), False),
    ):
        both = [j for j in up if j in down][:MOST]
        for j in both:
            by_kap, by_pck = kap.gap(place, j).interval, pck.gap(place, j).interval
            sides = ("above", "below") if first else ("below", "above")
            reason = (
                "it separates correct matches from wrong ones better than it localises"
                if first
                else "it localises better than it separates correct matches from wrong ones"
            )
            yield Fact(
                first,
                f"KAP against PCK: {size_words(by_kap)} {sides[0]} {kap.labels[j]} by KAP, but "
                f"{size_words(by_pck)} {sides[1]} it by PCK: {reason}.",
            )


def _splits(own: Evidence, others: Sequence[Evidence]) -> Iterator[Fact]:
    """Where the difference from the median is significantly another than over all keypoints."""
    known = [other.parts for other in others if other.parts is not None]
    if own.parts is None or not known or len(known) < len(others):
        return
    for metric, name in METRICS.items():
        changes = corrected(_changes(own.parts, known, metric))
        for sign in (1, -1):
            chosen = _largest(changes, sign)[:1]
            for change in chosen:
                verb, more = ("Gains", "more") if sign > 0 else ("Loses", "less")
                yield Fact(
                    sign > 0,
                    f"{verb} most by {name} on {split_words(change.name)}: its difference from "
                    f"{_median(others)} is {size_words(change.interval)} points {more} there than "
                    "over all keypoints.",
                )


def _changes(own: SplitScores, others: Sequence[SplitScores], metric: str) -> dict[str, object]:
    """By split: the difference from the median there, less that over all keypoints."""
    out: dict[str, object] = {}
    whole = own.splits.get((metric, "all"))
    if whole is None:
        return out
    theirs = [other.splits[metric, "all"].replicates for other in others]
    of_all = whole.replicates - median_model(theirs, whole.weights)
    for (of_metric, split), part in own.splits.items():
        if of_metric != metric or split == "all" or not np.array_equal(part.weights, whole.weights):
            continue
        of_split = part.replicates - median_model(
            [other.splits[metric, split].replicates for other in others], part.weights
        )
        out[split] = interval(of_split - of_all, part.weights, "plain")
    return out


def _losses(own: Evidence, others: Sequence[Evidence]) -> Iterator[Fact]:
    """Types of error that cost significantly more or less than the median, and the largest of all."""
    if own.parts is None or own.parts.weights is None or own.parts.kap_losses is None:
        return
    weights = own.parts.weights
    known = [o.parts for o in others if o.parts is not None and o.parts.losses]
    if known and len(known) == len(others):
        gaps = corrected(
            {
                name: in_average(mine, [each.losses[name] for each in known], weights)
                for name, mine in own.parts.losses.items()
            }
        )
        for sign, word in ((-1, "less"), (1, "more")):
            chosen = [Gap(WORDS[g.name], g.interval, g.p) for g in _largest(gaps, sign)]
            if chosen:
                yield Fact(
                    sign < 0,
                    f"Loses {word} KAP than {_median(others)} to {gaps_words(chosen[:MOST])}.",
                )
    yield from _largest_loss(own.parts)
    yield from _costly(own.parts)


def _largest_loss(parts: SplitScores) -> Iterator[Fact]:
    weights = parts.weights
    if weights is None:
        return
    means = {name: interval(each, weights, "plain") for name, each in parts.losses.items()}
    total = sum(mean.value for mean in means.values())
    first, second = sorted(means, key=lambda name: -means[name].value)[:2]
    gap = interval(parts.losses[first] - parts.losses[second], weights, "plain")
    if gap.p < SIGNIFICANT and means[first].value > 0:
        yield Fact(
            False,
            f"Most is lost to {WORDS[first]}: {size_words(means[first])} points of KAP, "
            f"{100 * means[first].value / total:.0f} % of all that is lost.",
        )


def _costly(parts: SplitScores) -> Iterator[Fact]:
    costly = parts.costly
    if costly is None:
        return
    n_categories = len(costly.without.value)
    rise = interval(costly.without, np.eye(n_categories)[costly.place], "plain")
    if rise.value > 0 and rise.p * costly.n < SIGNIFICANT:  # it was chosen from n: Bonferroni
        yield Fact(
            False,
            f"The most costly keypoint is number {costly.keypoint} of {costly.category}: without it, "
            f"KAP of {costly.category} would be {size_words(rise)} points higher.",
        )


def _alone(own: Evidence) -> Iterator[Fact]:
    """Against what scores that all tie get."""
    if own.skill is not None:
        value, low, high = own.skill
        if low > 0 or high < 0:
            side = "above" if low > 0 else "below"
            yield Fact(
                low > 0,
                f"KAP skill {value_words(value, low, high)}: significantly {side} what scores that all "
                "tie get (0).",
            )
    if _TWIN_AUROC in own.resamples.columns:
        auroc = own.resamples.mean(_TWIN_AUROC)
        if auroc.low > 0.5 or auroc.high < 0.5:
            side = "above" if auroc.low > 0.5 else "below"
            yield Fact(
                auroc.low > 0.5,
                f"Absence AUROC (twin) {value_words(auroc.value, auroc.low, auroc.high)}: "
                f"significantly {side} chance (50) at noticing that a keypoint is absent although its "
                "mirror counterpart is visible.",
            )


def _largest(gaps: Sequence[Gap], sign: int) -> list[Gap]:
    """The significant ones of a sign, the largest first."""
    chosen = [gap for gap in gaps if gap.is_significant and gap.interval.value * sign > 0]
    return sorted(chosen, key=lambda gap: -abs(gap.interval.value))


def _fact(value: float, text: str) -> Fact:
    return Fact(value > 0, text)
