"""What a model does significantly better or worse than the others of its board, a sentence each.

Nothing is said that a test does not support. "The median" is that of the other models' scores, and
differences from it are taken on the same resamples of images. Tests of one kind have Holm's correction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.comparison.median_gaps import Gap, by_category, in_average
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.comparison.significance import SIGNIFICANT
from kapbench_leaderboard.comparison.split_scores import SplitScores
from kapbench_leaderboard.comparison.standings import Standings
from kapbench_leaderboard.comparison.strength_words import (
    gaps_words,
    size_words,
    standing_words,
    value_words,
)
from kapbench_leaderboard.comparison.strengths_of_parts import largest, loss_facts, split_facts

MOST = 3  # categories or models that a sentence names
METRICS = {"kap": "KAP", "pck": "PCK"}
TWIN_AUROC = f"absence_auroc.{TWIN_SPLIT}"
_AVERAGES = {**METRICS, TWIN_AUROC: "Absence AUROC (twin)"}
_SEPARATES = "it separates correct matches from wrong ones better than it localises"
_LOCALISES = "it localises better than it separates correct matches from wrong ones"


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
    """Of the model at `place`; strengths first. None where nothing is significant.

    Args:
        models: All of one board, without controls.
        tests: Of these models, by column of their resamples.
    """
    own, others = models[place], [m for i, m in enumerate(models) if i != place]
    median = reference(models, place)
    made = [*_of_scores(own, others, place, tests), *_reversals(place, tests)]
    parts = [other.parts for other in others if other.parts is not None]
    if own.parts is not None:
        if parts and len(parts) == len(others):
            made += [Fact(*each) for each in split_facts(own.parts, parts, METRICS, median)]
        else:
            parts = []
        made += [Fact(*each) for each in loss_facts(own.parts, parts, median)]
    return sorted([*made, *_against_chance(own)], key=lambda fact: not fact.is_strength)


def reference(models: Sequence[Evidence], place: int) -> str:
    """What sentences call that with which the model at `place` is compared."""
    others = [model.label for i, model in enumerate(models) if i != place]
    return others[0] if len(others) == 1 else "the median"


def _of_scores(
    own: Evidence, others: Sequence[Evidence], place: int, tests: Mapping[str, Standings]
) -> Iterator[Fact]:
    """On average, then by category."""
    median = reference([*others, own], len(others))
    for column in (name for name in _AVERAGES if name in tests):
        mine = own.resamples.columns[column]
        theirs = [other.resamples.columns[column] for other in others]
        mean = in_average(mine, theirs, own.resamples.weights[column])
        if mean.p < SIGNIFICANT:
            standing = standing_words(tests[column], place)
            words = f"{size_words(mean)} points {_side(mean.value)} {median}{standing}"
            yield Fact(mean.value > 0, f"{_AVERAGES[column]}: {words}.")
        if column in METRICS and len(own.resamples.categories) > 1:
            gaps = by_category(mine, theirs, own.resamples.categories)
            yield from _categories(METRICS[column], median, gaps)


def _categories(name: str, median: str, gaps: Sequence[Gap]) -> Iterator[Fact]:
    for sign in (1, -1):
        chosen = largest(gaps, sign)
        if chosen:
            where = gaps_words(chosen[:MOST])
            n_more = len(chosen) - MOST
            more = f"; also in {n_more} more" if n_more > 0 else ""
            yield Fact(sign > 0, f"{name} by category: {_side(sign)} {median} in {where}{more}.")


def _reversals(place: int, tests: Mapping[str, Standings]) -> Iterator[Fact]:
    """Models that are significantly on the other side by KAP than by PCK."""
    if not all(column in tests for column in METRICS):
        return
    kap, pck = (tests[column] for column in METRICS)
    for by_kap, by_pck, sign in (
        (kap.better(place), pck.worse(place), 1),
        (kap.worse(place), pck.better(place), -1),
    ):
        for other in [j for j in by_kap if j in by_pck][:MOST]:
            gaps = [size_words(each.gap(place, other).interval) for each in (kap, pck)]
            yield Fact(
                sign > 0,
                f"KAP against PCK: by KAP {gaps[0]} points {_side(sign)} {kap.labels[other]}, but by "
                f"PCK {gaps[1]} {_side(-sign)} it: {_SEPARATES if sign > 0 else _LOCALISES}.",
            )


def _against_chance(own: Evidence) -> Iterator[Fact]:
    """Against what scores that all tie get."""
    if own.skill is not None:
        value, low, high = own.skill
        if low > 0 or high < 0:
            yield Fact(
                low > 0,
                f"KAP skill: {value_words(value, low, high)}, significantly {_side(low)} what scores "
                "that all tie get (0).",
            )
    if TWIN_AUROC in own.resamples.columns:
        auroc = own.resamples.mean(TWIN_AUROC)
        if auroc.low > 0.5 or auroc.high < 0.5:
            verb = "notices" if auroc.low > 0.5 else "does worse than chance at noticing"
            yield Fact(
                auroc.low > 0.5,
                f"Absence detection: {verb} that a keypoint is absent although its mirror counterpart "
                f"is visible; AUROC {value_words(auroc.value, auroc.low, auroc.high)}, chance 50.",
            )


def _side(value: float) -> str:
    return "above" if value > 0 else "below"
