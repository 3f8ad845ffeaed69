"""SOCO in its official layout, as pairs within a category and as pairs across categories."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.pair_list import PairList
from kapbench.datasets.soco.numbering import Numbering, make_view, number_keypoints
from kapbench.datasets.soco.pair_file import AnnotatedImage, PairFile, read_pair_file
from kapbench.datasets.soco.same_image import count_partial
from kapbench.errors import KapbenchError, agreeing, counted
from kapbench.types import Pair, View
from kapbench.untrusted.strict_text import read_bytes

SOURCE = SOURCES["soco"]
FIX = reading.fetch_hint("soco", SOURCE.folder)
INTRA, CROSS = "soco.intra", "soco.cross"
# By data set and split: the folder of the pairs below PairAnnotations, and how many are published.
LISTS = {
    INTRA: {
        "all": ("intra", 20_000),
        "trn": ("trainsplits/train", 10_000),
        "test": ("trainsplits/test", 10_000),
    },
    CROSS: {"all": ("cross", 20_000)},
}
OTHER_NAMES = {INTRA: {"train": "trn"}, CROSS: {"test": "all"}}  # of splits
OF_TRAINED_MODELS = (
    "These are the test pairs for models trained on the split trn; the pairs that SOCO scores other "
    "models on are the split all"
)


def intra(split: str = "test", root: str | Path | None = None) -> PairList:
    """SOCO's pairs within a category.

    Args:
        split: all (20,000 pairs); or trn (also called train) or test, 10,000 pairs each, for
            models that are trained on SOCO.
        root: The data root that holds the folder SOCOv1, or that folder.

    Raises:
        KapbenchError: another split, no category whose photographs are all present, a file that
            cannot be understood.
    """
    return _read(INTRA, split, root)


def cross(split: str = "test", root: str | Path | None = None) -> PairList:
    """SOCO's pairs across two categories, whose keypoints are the same where their names are.

    Scores are aggregated by pair group.

    Args:
        split: all (also called test): 20,000 pairs.
        root: The data root that holds the folder SOCOv1, or that folder.

    Raises:
        KapbenchError: as `intra`.
    """
    return _read(CROSS, split, root)


def _read(name: str, split: str, root: str | Path | None) -> PairList:
    split = OTHER_NAMES[name].get(split, split)
    reading.check_choice("split", split, tuple(LISTS[name]), name)
    folder = _find_folder(root)
    place, n_published = LISTS[name][split]
    pairs, hashes = _read_pairs(folder / "PairAnnotations" / place)
    missing = _list_missing(folder / "Images", pairs)
    present = [pair for pair in pairs if not missing[pair.pair_group]]
    if not present:
        group, paths = next(iter(missing.items()))
        raise KapbenchError(
            f"No category of SOCO is complete: {group} lacks {counted(len(paths), 'file')}, the "
            "first is named below",
            place=paths[0],
            fix=FIX,
        )
    numberings = number_keypoints(present)
    views = _Views(numberings)
    made = [_make_pair(pair, views) for pair in present]
    images = {image.image_id: image for pair in present for image in (pair.source, pair.target)}
    return PairList(
        name,
        split,
        reading.hash_revision(hashes[pair.pair_id] for pair in present),
        *SOURCE.terms,
        made,
        {i: folder / "Images" / image.category / image.file_name for i, image in images.items()},
        expected=tuple(missing),
        n_expected=len(pairs),
        missing=missing,
        remarks=(
            *((OF_TRAINED_MODELS,) if split == "test" else ()),
            *_remarks(present, len(pairs), n_published),
            *reading.remark_on_outside(views.n_outside),
        ),
        names={category: numbering.names for category, numbering in numberings.items()},
    )


def _find_folder(root: str | Path | None) -> Path:
    folder = reading.find_folder(root, SOURCE.folder)
    if not folder.exists():
        raise KapbenchError(
            "SOCO is not on this machine: its folder does not exist", place=folder, fix=FIX
        )
    return folder


def _read_pairs(folder: Path) -> tuple[list[PairFile], dict[str, str]]:
    """The pairs of a folder of pair groups, by group and file, and the hash of each file."""
    images: dict[AnnotatedImage, AnnotatedImage] = {}
    pairs, hashes = [], {}
    for path in _list_files(folder):
        content = read_bytes(path, FIX)
        pairs.append(read_pair_file(content, path, images))
        pair_id = pairs[-1].pair_id
        hashes[pair_id] = f"{pair_id} {hashlib.sha256(content).hexdigest()}"
    if not pairs:
        raise KapbenchError("The folder contains no pairs", place=folder, fix=FIX)
    return pairs, hashes


def _list_files(folder: Path) -> Iterator[Path]:
    """The pair files of a folder of pair groups, by group and name."""
    for group in sorted(reading.list_names(folder)):
        of_group = folder / group
        names = sorted(reading.list_names(of_group))
        yield from (of_group / name for name in names if name.endswith(".json"))


def _list_missing(folder: Path, pairs: Sequence[PairFile]) -> dict[str, list[Path]]:
    """Photographs that the pairs of each group need and that do not exist, by group."""
    needed: dict[str, dict[tuple[str, str], None]] = {}
    for pair in pairs:
        of_group = needed.setdefault(pair.pair_group, {})
        for image in (pair.source, pair.target):
            of_group[image.category, image.file_name] = None
    categories = {category for of_group in needed.values() for category, _ in of_group}
    present = {category: reading.list_names(folder / category) for category in categories}
    return {
        group: [folder / c / name for c, name in of_group if name not in present[c]]
        for group, of_group in needed.items()
    }


class _Views:
    """Each image once for all pairs that annotate it alike."""

    def __init__(self, numberings: Mapping[str, Numbering]) -> None:
        self.numberings = numberings
        self.n_outside = 0
        self._views: dict[tuple[int, frozenset[str]], View] = {}

    def of(self, image: AnnotatedImage, left_out: frozenset[str]) -> View:
        key = id(image), left_out  # pair files share equal images
        if key not in self._views:
            self._views[key], n_outside = make_view(
                image, self.numberings[image.category], left_out
            )
            self.n_outside += n_outside
        return self._views[key]


def _make_pair(pair: PairFile, views: _Views) -> Pair:
    symmetry = views.numberings[pair.target.category].symmetry
    return Pair(
        pair.pair_id,
        views.of(pair.source, pair.left_out),
        views.of(pair.target, pair.left_out),
        reading.longer_side(pair.target.box),
        *symmetry,
        pair.pair_group,
    )


def _remarks(pairs: Sequence[PairFile], n_files: int, n_published: int) -> Iterator[str]:
    if n_files != n_published:
        yield f"SOCO has {n_published:,} of these pairs as published, and this copy has {n_files:,}"
    if n := sum(not pair.is_of_concepts for pair in pairs):
        yield (
            f"concept_matches of {counted(n, 'pair')} {agreeing('joins', n)} other keypoints than "
            "those of one concept, by which kapbench groups them"
        )
    if n := sum(len(pair.left_out) for pair in pairs):
        yield (
            f"{counted(n, 'keypoint')} {agreeing('is', n)} left out of a pair: both images show "
            "the name, but semantic_overlap does not list it"
        )
    if n := count_partial(pairs):
        yield f"{counted(n, 'image')} {agreeing('has', n)} other keypoints in one pair than in another"
