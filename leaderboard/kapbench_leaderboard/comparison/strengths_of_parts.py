"""Sentences on splits, types of error and keypoints; each with whether it names a strength."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kapbench.running.diagnosis.sentence import WORDS
from kapbench.scoring.bootstrap import Replicates, interval
from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.comparison.median_gaps import Gap, corrected, in_average, median_model
from kapbench_leaderboard.comparison.significance import SIGNIFICANT
from kapbench_leaderboard.comparison.split_scores import SplitScores
from kapbench_leaderboard.comparison.strength_words import gaps_words, size_words, split_words

MOST = 3  # types that a sentence names
Sentence = tuple[bool, str]


def split_facts(
    own: SplitScores, others: Sequence[SplitScores], metrics: Mapping[str, str], median: str
) -> Iterator[Sentence]:
    """Where a significant difference from the median is also significantly another than over all.

    Both are asked: on a split where all models are near chance, a bad model is near the median too,
    and this is no strength.
    """
    for metric, name in metrics.items():
        there = corrected({split: gap for split, (gap, _) in _splits(own, others, metric).items()})
        changes = corrected({split: gap for split, (_, gap) in _splits(own, others, metric).items()})
        of_split = {gap.name: gap for gap in there}
        for sign in (1, -1):
            both = [c for c in largest(changes, sign) if of_split[c.name] in largest(there, sign)]
            for change in both[:1]:
                gap = of_split[change.name]
                yield (
                    sign > 0,
                    f"{'Strongest' if sign > 0 else 'Weakest'} by {name} on "
                    f"{split_words(change.name)}: {size_words(gap.interval)} points "
                    f"{'above' if sign > 0 else 'below'} {median} there, and "
                    f"{size_words(change.interval)} {'more' if sign > 0 else 'less'} than over all "
                    "keypoints.",
                )


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
            there = difference(split)
            gap, change = (
                interval(each, whole.weights, "plain") for each in (there, there - of_all)
            )
            out[split] = gap, change
    return out


def loss_facts(
    own: SplitScores, others: Sequence[SplitScores], median: str
) -> Iterator[Sentence]:
    """What types of error cost, against the median and against each other; the costly keypoint.

    Args:
        others: Empty where a model's records are elsewhere.
    """
    weights = own.weights
    if weights is None or not own.losses:
        return
    if others:
        gaps = corrected(
            {
                name: in_average(mine, [other.losses[name] for other in others], weights)
                for name, mine in own.losses.items()
            }
        )
        for sign, word in ((-1, "less"), (1, "more")):
            chosen = [Gap(WORDS[g.name], g.interval, g.p) for g in largest(gaps, sign)]
            if chosen:
                yield sign < 0, f"Loses {word} KAP than {median} to {gaps_words(chosen[:MOST])}."
    yield from _largest_loss(own)
    yield from _costly(own)


def _largest_loss(parts: SplitScores) -> Iterator[Sentence]:
    """Only where it is significantly larger than the next."""
    weights = parts.weights
    if weights is None:
        return
    means = {name: interval(each, weights, "plain") for name, each in parts.losses.items()}
    first, second = sorted(means, key=lambda name: -means[name].value)[:2]
    gap = interval(parts.losses[first] - parts.losses[second], weights, "plain")
    total = sum(mean.value for mean in means.values())
    if gap.p < SIGNIFICANT:
        yield (
            False,
            f"Most is lost to {WORDS[first]}: {size_words(means[first])} points of KAP, "
            f"{100 * means[first].value / total:.0f} % of all that is lost.",
        )


def _costly(parts: SplitScores) -> Iterator[Sentence]:
    costly = parts.costly
    if costly is None:
        return
    weights = np.eye(len(costly.without.value))[costly.place]
    rise = interval(costly.without, weights, "plain")
    if rise.value > 0 and rise.p * costly.n < SIGNIFICANT:  # it was chosen from n: Bonferroni
        yield (
            False,
            f"The most costly keypoint is number {costly.keypoint} of {costly.category}: without it, "
            f"KAP of {costly.category} would be {size_words(rise)} points higher.",
        )


def largest(gaps: Sequence[Gap], sign: int) -> list[Gap]:
    """The significant ones of a sign, the largest first."""
    chosen = [gap for gap in gaps if gap.is_significant and gap.interval.value * sign > 0]
    return sorted(chosen, key=lambda gap: -abs(gap.interval.value))
