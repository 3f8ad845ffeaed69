"""Photographs and pairs that a training split shares with a split that is scored.

The published lists draw from the same photographs of PASCAL VOC. What is known is in a table here,
counted from the lists; what `measure_overlap` counts is that of two lists at hand.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

# Names that `trained_on` may use, by the data set's own.
_SPELLINGS: Mapping[str, str] = {
    "pf-pascal": r"pf[- ]?pascal",
    "spair": r"spair(?:-71k)?(?:\.small)?(?!-u\b)",
}
_SPLITS: Mapping[str, str] = {
    "trn": r"trn|train(?:ing)?(?:[- ](?:set|split))?",
    "val": r"val(?:idation)?(?:[- ](?:set|split))?",
    "test": r"test(?:[- ](?:set|split))?",
}


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a scored list shares with a training list.

    Args:
        pairs: Unordered pairs of photographs that are in both.
        of_pairs: Distinct unordered pairs of the scored list.
        photographs: That are in both.
        of_photographs: Distinct photographs of the scored list.
    """

    pairs: int
    of_pairs: int
    photographs: int
    of_photographs: int

    def __str__(self) -> str:
        return (
            f"{self.pairs:,} of its {self.of_pairs:,} unordered pairs and {self.photographs:,} of its "
            f"{self.of_photographs:,} photographs"
        )


# By data set and split of training, and data set and split that are scored. Photographs are equal
# where their VOC names are; spair's are of its large layout.
KNOWN: Mapping[tuple[str, str, str, str], Overlap] = {
    ("pf-pascal", "trn", "pf-pascal", "test"): Overlap(95, 277, 302, 506),
    ("pf-pascal", "trn", "pf-pascal", "val"): Overlap(99, 289, 302, 521),
    ("pf-pascal", "val", "pf-pascal", "test"): Overlap(35, 277, 148, 506),
    ("pf-pascal", "trn", "spair", "test"): Overlap(11, 6117, 82, 479),
    ("pf-pascal", "trn", "spair", "val"): Overlap(6, 2692, 67, 322),
    ("pf-pascal", "val", "spair", "test"): Overlap(2, 6117, 43, 479),
    ("pf-pascal", "val", "spair", "val"): Overlap(5, 2692, 29, 322),
    ("spair", "trn", "pf-pascal", "test"): Overlap(10, 277, 81, 506),
    ("spair", "trn", "pf-pascal", "val"): Overlap(14, 289, 91, 521),
    ("spair", "trn", "spair", "test"): Overlap(1, 6117, 6, 479),
    ("spair", "trn", "spair", "val"): Overlap(0, 2692, 3, 322),
    ("spair", "val", "pf-pascal", "test"): Overlap(1, 277, 27, 506),
    ("spair", "val", "pf-pascal", "val"): Overlap(5, 289, 29, 521),
    ("spair", "val", "spair", "test"): Overlap(0, 6117, 2, 479),
}


def measure_overlap(
    trained: Iterable[tuple[str, str]], scored: Iterable[tuple[str, str]]
) -> Overlap:
    """
    Args:
        trained, scored: Photographs of each pair, by a name that both lists share.
    """
    pairs_trained, pairs_scored = ({frozenset(p) for p in pairs} for pairs in (trained, scored))
    images_trained, images_scored = (
        frozenset[str]().union(*pairs) for pairs in (pairs_trained, pairs_scored)
    )
    return Overlap(
        len(pairs_trained & pairs_scored),
        len(pairs_scored),
        len(images_trained & images_scored),
        len(images_scored),
    )


def describe_overlaps(trained_on: str | None, dataset: str, split: str) -> Iterator[str]:
    """One sentence, without a full stop, for each training split that shares photographs.

    Args:
        trained_on: The training data as a model declares them, in words; a data set without a split
            is taken for its training split.
        dataset, split: What is scored.
    """
    scored = "spair" if dataset == "spair.small" else dataset
    for trained, trained_split, is_stated in _splits_in(trained_on or ""):
        where = f"{trained} {trained_split}" + (
            "" if is_stated else ", as it states no other split"
        )
        if (trained, trained_split) == (scored, split):
            yield f"trained on {where}: the very pairs that are scored"
        elif overlap := KNOWN.get((trained, trained_split, scored, split)):
            of = " (of the large layout)" if scored != dataset else ""
            yield f"trained on {where}: {scored} {split}{of} shares {overlap} with it"


def _splits_in(trained_on: str) -> Iterator[tuple[str, str, bool]]:
    """Data set, split, and whether the split is stated, of each that the words name."""
    text = trained_on.lower()
    for dataset, spelling in _SPELLINGS.items():
        if not (named := re.search(rf"(?<![\w-])(?:{spelling})(?![\w-])", text)):
            continue
        behind = text[named.end() : named.end() + 30]
        stated = [
            s for s, words in _SPLITS.items() if re.match(rf"\W*(?:split )?(?:{words})\b", behind)
        ]
        yield from ((dataset, split, True) for split in stated)
        if not stated:
            yield dataset, "trn", False
