"""Sentences on splits, types of error and keypoints; each with whether it names a strength."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kapbench.running.diagnosis.sentence import WORDS
from kapbench.scoring.bootstrap import Replicates, interval
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.comparison.median_gaps import Gap, corrected, in_average, median_model
from kapbench_leaderboard.comparison.significance import SIGNIFICANT
from kapbench_leaderboard.comparison.split_scores import SplitScores
from kapbench_leaderboard.comparison.strength_words import gaps_words, size_words, split_words

MOST = 3  # types that a sentence names
# A second peak needs a correct match: a model with more of these loses more to it.
_COMPARED = tuple(name for name in TYPES if name != "second peak")
_SIGNED = {1: ("Strongest", "above", "more"), -1: ("Weakest", "below", "less")}
Sentence = tuple[bool, str]


def split_facts(
    own: SplitScores, others: Sequence[SplitScores], metrics: Mapping[str, str], median: str
) -> Iterator[Sentence]:
    """Where a significant difference from the median is also significantly another than over all.

    Both are asked: on a split where all models are near chance, a bad model is near the median too,
    and this is no strength.
    """
    for metric, name in metrics.items():
        both = _splits(own, others, metric)
        gaps = corrected({split: gap for split, (gap, _) in both.items()})
        changes = corrected({split: change for split, (_, change) in both.items()})
        for sign in (1, -1):
            of_split = {gap.name: gap.interval for gap in largest(gaps, sign)}
            for change in [c for c in largest(changes, sign) if c.name in of_split][:1]:
                degree, side, more = _SIGNED[sign]
                text = (
                    f"{degree} part by {name}: {split_words(change.name)}, "
                    f"{size_words(of_split[change.name])} points {side} {median} there, and "
                    f"{size_words(change.interval)} {more} than over all keypoints."
                )
                yield sign > 0, text


def _splits(
    own: SplitScores, others: Sequence[SplitScores], metric: str
) -> dict[str, tuple[Interval, Interval]]:
    """By split: the difference from the median there, and that less the one over all keypoints.

    A split that lacks a category of the data set is left out: its average is another one.
    """
    whole = own.splits.get((metric, "all"))
    if whole is None:
        return {}

    def difference(split: str) -> Replicates:
        theirs = [other.splits[metric, split].replicates for other in others]
        return own.splits[metric, split].replicates - median_model(theirs, whole.weights)

    of_all = difference("all")
    out = {}
    for (of_metric, split), part in own.splits.items():
        if of_metric == metric and split != "all" and np.array_equal(part.weights, whole.weights):
            in_split = difference(split)
            gap, change = (
                interval(each, whole.weights, "plain") for each in (in_split, in_split - of_all)
            )
            out[split] = gap, change
    return out


def loss_facts(own: SplitScores, others: Sequence[SplitScores], median: str) -> Iterator[Sentence]:
    """What types of error cost, against the median and against each other; the costly keypoint.

    Of a model that loses significantly more than the median, nothing that it loses less is named: more
    wrong matches of one type leave fewer of the others.

    Args:
        others: Empty where a model's records are elsewhere.
    """
    if not own.losses:
        return
    if others:
        gaps = corrected(dict(_loss_gaps(own, others)))
        for sign, word in ((-1, "less"), (1, "more")):
            chosen = [gap for gap in largest(gaps, sign) if gap.name in _COMPARED]
            if chosen and not (sign < 0 and _is_behind(own, others)):
                named = [Gap(WORDS[gap.name], gap.interval, gap.p) for gap in chosen[:MOST]]
                yield sign < 0, f"Losses: {word} KAP than {median} to {gaps_words(named)}."
    yield from _largest_loss(own)
    yield from _costly(own)


def _loss_gaps(own: SplitScores, others: Sequence[SplitScores]) -> Iterator[tuple[str, Interval]]:
    for name, mine in own.losses.items():
        theirs = [other.losses[name].replicates for other in others]
        if mine.weights is not None:
            yield name, in_average(mine.replicates, theirs, mine.weights)


def _is_behind(own: SplitScores, others: Sequence[SplitScores]) -> bool:
    """Whether KAP is significantly below the median."""
    mine = own.splits["kap", "all"]
    theirs = [other.splits["kap", "all"].replicates for other in others]
    gap = in_average(mine.replicates, theirs, mine.weights)
    return gap.value < 0 and gap.p < SIGNIFICANT


def _largest_loss(parts: SplitScores) -> Iterator[Sentence]:
    """Only where it is significantly larger than the next."""
    means = {name: share.mean() for name, share in parts.losses.items()}
    first, second = sorted(means, key=lambda name: -means[name].value)[:2]
    gap = (parts.losses[first] - parts.losses[second]).mean()
    total = sum(mean.value for mean in means.values())
    if gap.p < SIGNIFICANT:
        text = (
            f"Largest loss: {WORDS[first]} cost {size_words(means[first])} points of KAP, "
            f"{100 * means[first].value / total:.0f} % of all that is lost, and significantly more "
            "than any other type."
        )
        yield False, text


def _costly(parts: SplitScores) -> Iterator[Sentence]:
    costly = parts.costly
    if costly is None:
        return
    weights = np.eye(len(costly.without.value))[costly.place]
    rise = interval(costly.without, weights, "plain")
    if rise.value > 0 and rise.p * costly.n < SIGNIFICANT:  # it was chosen from n: Bonferroni
        text = (
            f"Most costly keypoint: number {costly.keypoint} of {costly.category}; without it, KAP of "
            f"{costly.category} would be {size_words(rise)} points higher."
        )
        yield False, text


def largest(gaps: Sequence[Gap], sign: int) -> list[Gap]:
    """The significant ones of a sign, the largest first."""
    chosen = [gap for gap in gaps if gap.is_significant and gap.interval.value * sign > 0]
    return sorted(chosen, key=lambda gap: -abs(gap.interval.value))
