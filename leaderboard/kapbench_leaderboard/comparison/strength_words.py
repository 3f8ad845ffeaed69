"""How a sentence names splits, standings, differences and their intervals."""

from collections.abc import Sequence

from kapbench.running.diagnosis.sentence import listed, points
from kapbench.scoring.intervals import Interval
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.comparison.median_gaps import Gap
from kapbench_leaderboard.comparison.standings import Standings, negated

_SPLITS = {
    "symmetric": "keypoints with a mirror counterpart or a repeated part",
    "other": "keypoints without mirror counterpart and repeated part",
    TWIN_SPLIT: "visible keypoints against absent ones whose mirror counterpart is visible",
    "truncation=none": "pairs without truncation",
    "truncation=some": "pairs with a truncated object",
    "occlusion=none": "pairs without occlusion",
    "occlusion=some": "pairs with an occluded object",
}


def split_words(split: str) -> str:
    """Which keypoints or pairs a split has."""
    name, _, change = split.partition("=")
    if name == "viewpoint":
        same = change == "0"
        return (
            "pairs of the same viewpoint" if same else f"pairs {45 * int(change)}° of azimuth apart"
        )
    return _SPLITS[split]


def standing_words(tests: Standings, place: int) -> str:
    """ "; significantly better than 4 and worse than 1 of 6 models"; empty of only two models."""
    n_others = len(tests.labels) - 1
    n_better, n_worse = len(tests.better(place)), len(tests.worse(place))
    if n_others < 2 or not (n_better or n_worse):
        return ""
    both = (("better", n_better), ("worse", n_worse))
    parts = [f"{word} than {n}" for word, n in both if n]
    return f"; significantly {listed(parts)} of {n_others} models"


def size_words(interval: Interval) -> str:
    """The size of a difference without its sign, with its interval: "3.1 (1.0…5.2)"."""
    size = interval if interval.value >= 0 else negated(interval)
    return value_words(size.value, size.low, size.high)


def value_words(value: float, low: float, high: float) -> str:
    """A number ×100 with its interval."""
    return f"{points(value)} ({points(low)}…{points(high)})"


def gaps_words(gaps: Sequence[Gap]) -> str:
    """ "cat by 8.1 (3.2…13.0) and dog by 5.0 (1.1…8.9)"."""
    return listed([f"{gap.name} by {size_words(gap.interval)}" for gap in gaps])
