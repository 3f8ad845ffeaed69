"""What the words and numbers of a diagnosis mean, one plain sentence each."""

import math
from collections.abc import Iterable, Iterator, Sequence

from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis
from kapbench.running.diagnosis.sentence import NOTHING, listed, why_no_interval
from kapbench.scoring.diagnosis.skills import KAP, PCK
from kapbench.scoring.schema import GROUP_ERROR_PX, ON_OBJECT, OTHER_ERROR_PX

NO_SCORE = "A category has no positive sample, and so no average is taken."
TYPES = {
    "second peak": "the match is right, but another place of the target scores high too; what is "
    "lost is the margin between the two.",
    "mirror counterpart": "a visible keypoint is matched to the same part on the other side, e.g. "
    "the left eye to the right eye.",
    "repeated part": "a visible keypoint is matched to another part of its kind, e.g. one wheel to "
    "another.",
    "near miss": "a visible keypoint is matched outside of its circle of radius α·T, but within "
    "2·α·T.",
    "other keypoint": "a visible keypoint is matched to another annotated keypoint.",
    "elsewhere": "a visible keypoint is matched to none of these places.",
    "absent, counterpart visible": "the target shows the keypoint's mirror counterpart, but not the "
    "keypoint, so that any confident match is wrong.",
    "absent, other": "the target shows neither the keypoint nor a mirror counterpart of it, so that "
    "any confident match is wrong.",
}
KEYPOINTS = "keypoints: share of all source keypoints."
GAIN = "gain alone: by how much KAP rises if this type alone is repaired."
LOST = (
    "lost: Shapley share, the mean of what repairing this type adds over all orders in which the "
    "types can be repaired. The losses add up to 100 − KAP."
)
PCK_COLUMN = (
    "PCK: share of the keypoints visible in both images that are matched to this place; for "
    "'second peak', correctly."
)
AUROC = (
    "absence detection: chance that the best score of a visible keypoint is above that of an absent "
    "one (AUROC). Scores that all tie get 50."
)
RESCALED = "rescaled: after the rule's rescaling of each pair's scores to 0–1."
WITHIN = "within one keypoint: only rows of the same keypoint are compared."
TRANSFER = (
    "threshold transfer: below 0, what is lost because one threshold serves all pairs; pairs with few "
    "keypoints have a higher KAP by chance, so compare models by it. precision on other images: at "
    "the threshold that gives a precision of 80 % on half of the images, the precision on the others."
)
SKILL = (
    "KAP skill: (KAP − chance) / (highest possible KAP − chance), where chance is the KAP of scores "
    "that all tie, about the share of positives (prevalence)."
)
NUMBERS = "Scores ×100. Ranges are 95 % confidence intervals from a bootstrap over images."
EXACT = "Controls that read the annotation have no intervals: their scores estimate nothing."
NEGATIVE = (
    "A gain alone is below 0 where most of the highest scores are wrong: precision there is below "
    "the prevalence, and repairing one type alone moves its keypoints there."
)
DIFFERENCES = (
    "All runs are scored on the same resamples of images. p: paired test, with Holm's correction "
    "over the rows of a block. The interval is not corrected, so it can exclude 0 where p is above "
    "0.05."
)
STARS = "*: p < 0.05, with Holm's correction over the numbers of a row; --format csv has every p."
BY_KEYPOINT = (
    "Each row is the KAP of one keypoint's rows alone, so rows do not average to the KAP of all."
)
NO_KAP = (
    "KAP was not scored, and only the places of matches are shown. KAP is not defined if no "
    "keypoint can be absent, or if T is the image size."
)
_MERGED = {
    GROUP_ERROR_PX: "matches to a repeated part count as near misses, other keypoints or elsewhere",
    OTHER_ERROR_PX: "matches to another keypoint count as elsewhere",
    ON_OBJECT: "matches elsewhere are not divided into those on the object and in the background",
}


MERGED = (
    "Records of an earlier version of kapbench: matches at repeated parts and other keypoints count as "
    "near misses or elsewhere."
)


def direction(baseline: str, other: str, *, has_kap: bool) -> str:
    """What a difference of two runs means, by their labels."""
    of_losses = f"; of losses, above 0 means that {other} loses more" if has_kap else ""
    return f"diff.: {other} − {baseline}{of_losses}"


def of_types(names: Sequence[str]) -> list[str]:
    return [f"{name}: {TYPES[name]}" for name in names]


def of_skills(keys: Iterable[str]) -> list[str]:
    """Without KAP there is nothing but PCK, which needs no note."""
    if KAP.key not in keys:
        return []
    return [
        AUROC,
        *([RESCALED] if any("rescaled" in key for key in keys) else []),
        WITHIN,
        TRANSFER,
    ]


def of_intervals(diagnosis: RunDiagnosis) -> Iterator[str]:
    """Why averages have no intervals."""
    of_metrics = {
        key: diagnosis.measures[key] for key in (KAP.key, PCK.key) if key in diagnosis.measures
    }
    for key, quantity in of_metrics.items():
        if math.isnan(quantity.mean().low) and not math.isnan(quantity.mean().value):
            why = why_no_interval(quantity, None)
            yield f"No confidence interval of {key.upper()}: {why}."


def of_ties(diagnoses: Iterable[RunDiagnosis]) -> Iterator[str]:
    """In how many rows of type "second peak" the two peaks are equal, where any number is shown."""
    shares = [
        f"{100 * each.tied_peaks:.1f} % ({each.card.model.name})"
        for each in diagnoses
        if each.tied_peaks >= NOTHING
    ]
    if shares:
        yield (
            "Second peaks can tie: the best scores inside and outside of the circle are equal in "
            f"{listed(shares)} of the rows of this type. A tie counts as a correct match here, and PCK "
            "may take the other place as the match."
        )


def of_merged(diagnosis: RunDiagnosis) -> Iterator[str]:
    """Which columns the records of an old run lack, and which types are merged without them."""
    missing = diagnosis.of_split["all"].missing
    if missing:
        names = ", ".join(column.name for column in missing)
        effects = "; ".join(_MERGED[column] for column in missing)
        yield (
            f"These records were written by an earlier version of kapbench and lack {names}: "
            f"{effects}. Repeat the run to have these columns."
        )


def of_records(diagnosis: RunDiagnosis) -> Iterator[str]:
    """Which columns an old run lacks, and what says where the object is."""
    yield from of_merged(diagnosis)
    missing = diagnosis.of_split["all"].missing
    shares = {word: share for word, share in diagnosis.object_from.items() if share > 0}
    if ON_OBJECT in missing or not shares:
        return
    if set(shares) == {"unknown"}:
        yield "The data set does not say where the object is: elsewhere is not divided."
        return
    known = {"mask": "its mask", "box": "its bounding box", "unknown": "nothing (not divided)"}
    if len(shares) == 1:
        yield f"Whether a match lies on the object is known from {known[next(iter(shares))]}."
        return
    parts = [f"{known[word]} ({100 * share:.0f} % of the rows)" for word, share in shares.items()]
    yield f"Whether a match lies on the object is known from {' or from '.join(parts)}."
