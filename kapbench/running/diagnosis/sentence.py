"""The strongest sentence about one run: to which type of error most is lost."""

import math
from collections.abc import Mapping, Sequence

from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis
from kapbench.running.results import reads_annotation
from kapbench.scoring.diagnosis.places import PLACES
from kapbench.scoring.diagnosis.quantity import Quantity
from kapbench.scoring.diagnosis.skills import SKILL

SIGNIFICANT = 0.05
FEWEST_IMAGES = 4  # of a category, for an interval; see kapbench.scoring.bootstrap
NOTHING = 0.0005  # shown as 0.0 of 100 points
WORDS = {
    "second peak": "correct matches with a second peak",
    "mirror counterpart": "matches at the mirror counterpart",
    "repeated part": "matches at a repetition of the part",
    "near miss": "near misses",
    "other keypoint": "matches at another keypoint",
    "elsewhere": "matches elsewhere",
    "elsewhere on the object": "matches elsewhere on the object",
    "background": "matches in the background",
    "absent, counterpart visible": "absent keypoints whose mirror counterpart is visible",
    "absent, other": "absent keypoints without a visible mirror counterpart",
}


def sentence(diagnosis: RunDiagnosis) -> str:
    """Names one type where it costs significantly more than the next, else both.

    Where KAP is not significantly above that of scores that all tie, this comes first.
    """
    if diagnosis.kap is None:
        return _of_places(diagnosis)
    group, alpha = diagnosis.overall, diagnosis.alpha
    if math.isnan(group.kap):
        return "KAP is not defined: a category has no positive sample."
    score = f"KAP@{alpha:.2f} {points(group.kap)} by {diagnosis.kap.name}"
    total = 1 - group.kap
    if total < NOTHING:
        return f"Nothing is lost: {score}."
    shares = {name: group.loss("share", name) for name in diagnosis.types}
    is_exact = reads_annotation(diagnosis.card.model)
    skill = diagnosis.measures[SKILL.key].mean()
    if skill.low > 0 or math.isnan(skill.low):
        return f"Most is lost to {_largest(shares, total, is_exact)} ({score})."
    span = f"95 % interval {points(skill.low)} to {points(skill.high)}"
    where = "below" if skill.high < 0 else "not significantly above"
    return (
        f"KAP is {where} what scores that all tie get: skill {points(skill.value)} ({span}). "
        f"Most is lost to {_largest(shares, total, is_exact)} ({score})."
    )


def points(value: float) -> str:
    """×100 with a true minus sign; no sign for what is shown as 0.0."""
    text = f"{100 * value:.1f}".replace("-", "−")
    return "0.0" if text == "−0.0" else text


def why_no_interval(quantity: Quantity, group: int | None) -> str:
    """The reason that an average, or a group's number, has no interval: a clause without a full stop.

    Args:
        group: None: the average.
    """
    n_images, weights = quantity.replicates.n_images, quantity.weights
    if group is not None:
        n_images = n_images[[group]]
    elif weights is not None:
        n_images = n_images[weights > 0]
    if not n_images.any():
        return "scores that follow from the annotation are not estimates"
    category = "a category" if group is None else "the category"
    if (n_images < FEWEST_IMAGES).any():
        return f"{category} has fewer than {FEWEST_IMAGES} images"
    return f"the score of {category} is undefined in more than 1 % of the resamples"


def listed(texts: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _of_places(diagnosis: RunDiagnosis) -> str:
    group = diagnosis.overall
    shares = {name: group.place(name) for name in diagnosis.place_names}
    correct = shares.pop(PLACES[0]).mean().value
    score = f"PCK@{diagnosis.alpha:.2f} {points(correct)} by {diagnosis.pck.name}"
    if math.isnan(correct):
        return "PCK is not defined: a category has no keypoint that is visible in both images."
    if 1 - correct < NOTHING:
        return f"No match is wrong: {score}."
    is_exact = reads_annotation(diagnosis.card.model)
    return f"Most is lost to {_largest(shares, 1 - correct, is_exact)} ({score})."


def _largest(shares: Mapping[str, Quantity], total: float, is_exact: bool) -> str:
    """`is_exact`: the shares estimate nothing, and need no test."""
    first, second = sorted(shares, key=lambda name: -shares[name].mean().value)[:2]
    one, two = (shares[name].mean().value for name in (first, second))
    gap = (shares[first] - shares[second]).mean()
    of_total = f"of {points(total)} points"
    if is_exact or gap.p < SIGNIFICANT or two < NOTHING:
        return f"{WORDS[first]}: {points(one)} {of_total}"
    why = (
        f"which is larger is not tested, since {why_no_interval(shares[first], None)}"
        if math.isnan(gap.p)
        else "the two do not differ significantly"
    )
    both = f"{points(one)} and {points(two)} {of_total}"
    return f"{WORDS[first]} and to {WORDS[second]}: {both}; {why}"
