"""Reads one pair of SOCO: a file that holds both images and all of their visible keypoints.

Layout and keys are those of docs/dataset_structure.md in github.com/GenIntel/SOCO.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kapbench.datasets import reading
from kapbench.datasets.reading import Box, Coordinate, Side
from kapbench.untrusted.strict_text import parse_json

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_FileName = Annotated[str, Field(pattern=r"^[^/\\.][^/\\]*$", max_length=200)]  # in one folder
_Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
_Sides = Annotated[list[Side], Field(min_length=2, max_length=3)]  # width, height, channels
_Edges = Annotated[list[Coordinate], Field(min_length=4, max_length=4)]


class _Keypoint(BaseModel):
    """The keys that are read. The key id is not: keypoints are known by their names."""

    model_config = ConfigDict(strict=True)

    name: _Name
    pos: _Point
    concept_id: int | None = None
    concept_name: str | None = None

    @property
    def concept(self) -> str | None:
        """The concept's name, else its number; None: the keypoint is of no concept."""
        if self.concept_name is not None:
            return self.concept_name
        return None if self.concept_id is None else f"concept {self.concept_id}"


class _ConceptMatch(BaseModel):
    model_config = ConfigDict(strict=True)

    src_keypoints: list[_Name]
    trg_keypoints: list[_Name]


class _Content(BaseModel):
    """The keys that are read of a pair file; others are ignored."""

    model_config = ConfigDict(strict=True)

    pair_group: _FileName
    src_category: _FileName
    trg_category: _FileName
    src_image: _FileName
    trg_image: _FileName
    src_imsize: _Sides
    trg_imsize: _Sides
    src_bndbox: _Edges
    trg_bndbox: _Edges
    src_keypoints: list[_Keypoint]
    trg_keypoints: list[_Keypoint]
    semantic_overlap: list[_Name]
    concept_matches: list[_ConceptMatch]


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image as a pair file has it: visible keypoints by name, in original pixels.

    Equal ones of many pair files are one object.
    """

    category: str
    file_name: str
    size: tuple[int, int]
    box: Box  # left, top, right, bottom
    names: tuple[str, ...]
    points: tuple[tuple[float, float], ...]
    concepts: tuple[str | None, ...]

    @property
    def image_id(self) -> str:
        return f"{self.category}/{self.file_name.rpartition('.')[0] or self.file_name}"


@dataclass(frozen=True, slots=True)
class PairFile:
    """A pair as published.

    Args:
        pair_id: The pair group and the name of the file without ending.
        left_out: Names that are visible in both images and not in `semantic_overlap`, which lists
            the keypoints that are the same point of both objects.
        is_of_concepts: Whether `concept_matches` joins exactly the keypoints of one concept, and each
            keypoint of no concept with itself.
    """

    path: Path
    pair_id: str
    pair_group: str
    source: AnnotatedImage
    target: AnnotatedImage
    left_out: frozenset[str]
    is_of_concepts: bool


def read_pair_file(
    content: bytes, path: Path, images: dict[AnnotatedImage, AnnotatedImage]
) -> PairFile:
    """The pair that a file holds.

    Args:
        path: It lies in the folder of its pair group.
        images: Those of the files before; new ones are added.

    Raises:
        KapbenchError: not JSON; a key that is missing or of a wrong type; another pair group than
            the folder's; an image paired with itself; a box without area; a name that occurs twice
            in an image; a name of `semantic_overlap` that an image lacks.
    """
    pair = reading.validate(_Content, parse_json(content, path), path)
    if pair.pair_group != path.parent.name:
        raise reading.wrong_file(
            f"The pair group is '{pair.pair_group}', but the file is in the folder of "
            f"{path.parent.name}",
            f"{path}, key pair_group",
        )
    source, target = (_read_image(pair, side, path) for side in ("src", "trg"))
    if source.image_id == target.image_id:
        raise reading.wrong_file(f"The image {source.image_id} is paired with itself", path)
    in_both = set(source.names) & set(target.names)
    overlap = set(pair.semantic_overlap)
    if overlap - in_both:
        raise reading.wrong_file(
            f"'{min(overlap - in_both)}' is not a visible keypoint of both images",
            f"{path}, key semantic_overlap",
        )
    return PairFile(
        path,
        f"{pair.pair_group}/{path.stem}",
        pair.pair_group,
        images.setdefault(source, source),
        images.setdefault(target, target),
        frozenset(in_both - overlap),
        _published_matches(pair) == _matches_by_concept(source, target),
    )


def _read_image(pair: _Content, side: str, path: Path) -> AnnotatedImage:
    """The source (side src) or the target (side trg) of a pair file."""
    box, keypoints = getattr(pair, f"{side}_bndbox"), getattr(pair, f"{side}_keypoints")
    size = getattr(pair, f"{side}_imsize")
    left, top, right, bottom = box
    reading.check_box((left, top, right, bottom), f"{path}, key {side}_bndbox")
    names = tuple(keypoint.name for keypoint in keypoints)
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise reading.wrong_file(
            f"Keypoint '{repeated}' occurs {names.count(repeated)} times in one image",
            f"{path}, key {side}_keypoints",
        )
    return AnnotatedImage(
        getattr(pair, f"{side}_category"),
        getattr(pair, f"{side}_image"),
        (size[0], size[1]),
        (left, top, right, bottom),
        names,
        tuple((keypoint.pos[0], keypoint.pos[1]) for keypoint in keypoints),
        tuple(keypoint.concept for keypoint in keypoints),
    )


def _published_matches(pair: _Content) -> set[tuple[str, str]]:
    """Names of source and target that `concept_matches` takes for one concept."""
    return {
        (source, target)
        for match in pair.concept_matches
        for source in match.src_keypoints
        for target in match.trg_keypoints
    }


def _matches_by_concept(source: AnnotatedImage, target: AnnotatedImage) -> set[tuple[str, str]]:
    """Names of source and target that have one concept; one of no concept matches its namesake."""
    by_concept: dict[str, list[str]] = {}
    for name, concept in zip(target.names, target.concepts, strict=True):
        if concept is not None:
            by_concept.setdefault(concept, []).append(name)
    return {
        (name, other)
        for name, concept in zip(source.names, source.concepts, strict=True)
        for other in (
            by_concept.get(concept, ()) if concept is not None else {name} & set(target.names)
        )
    }
