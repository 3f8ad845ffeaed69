"""How a sentence names splits, differences and their intervals."""

from collections.abc import Sequence

from kapbench.running.diagnosis.sentence import listed, points
from kapbench.scoring.intervals import Interval
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.comparison.median_gaps import Gap
from kapbench_leaderboard.comparison.standings import negated

METRICS = {"kap": "KAP", "pck": "PCK"}
_STEP = "45°"
_SPLITS = {
    "symmetric": "keypoints with a mirror counterpart or a repeated part",
    "other": "keypoints without mirror counterpart and repeated part",
    TWIN_SPLIT: "visible keypoints against absent ones whose mirror counterpart is visible",
    "viewpoint=0": "pairs of the same viewpoint",
    "viewpoint=4": "pairs of opposite viewpoints (4 steps of 45°)",
    "truncation=none": "pairs without truncation",
    "truncation=some": "pairs with a truncated object",
    "occlusion=none": "pairs without occlusion",
    "occlusion=some": "pairs with an occluded object",
}


def split_words(split: str) -> str:
    """Which keypoints or pairs a split has."""
    name, _, number = split.partition("=")
    if split in _SPLITS:
        return _SPLITS[split]
    steps = f"{number} step{'s' if number != '1' else ''} of {_STEP}"
    return f"pairs whose {name}s differ by {steps}"


def size_words(interval: Interval) -> str:
    """The size of a difference without its sign, with its interval: "3.1 (1.0…5.2)"."""
    size = interval if interval.value >= 0 else negated(interval)
    return f"{points(size.value)} ({points(size.low)}…{points(size.high)})"


def value_words(value: float, low: float, high: float) -> str:
    """A score with its interval."""
    return f"{points(value)} ({points(low)}…{points(high)})"


def gaps_words(gaps: Sequence[Gap]) -> str:
    """ "cat by 8.1 (3.2…13.0) and dog by 5.0 (1.1…8.9)"."""
    return listed([f"{gap.name} by {size_words(gap.interval)}" for gap in gaps])


def count_words(n: int, noun: str) -> str:
    """ "1 model", "2 models"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
