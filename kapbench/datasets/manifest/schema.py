"""The schema of a manifest: the user's own images, keypoints and pairs in one JSON file."""

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from kapbench.datasets.images import with_slashes
from kapbench.datasets.reading import Coordinate, Side
from kapbench.datasets.symmetry import mirror_by_name

_Name = Annotated[str, Field(min_length=1)]
Point = tuple[Coordinate, Coordinate]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Category(_Frozen):
    """Keypoints of a category by name, in the order of their ids."""

    keypoints: Annotated[list[_Name], Field(min_length=1)]
    groups: list[list[_Name]] | None = None  # repeated parts; null: each mirror pair is a group
    mirror: list[tuple[_Name, _Name]] | None = None  # counterparts; null: by left, right in names


class Image(_Frozen):
    """One object in one photograph; pixels are continuous, x right, y down."""

    path: _Name  # relative to the manifest
    category: _Name
    keypoints: dict[_Name, Point | None]  # null or left out: not visible
    names: list[_Name] | None = None  # its own keypoints, by id; default: those of its category
    id: _Name | None = None  # default: the path without its ending
    width: Side | None = None  # default: the photograph's own
    height: Side | None = None
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = None  # x1 y1 x2 y2
    azimuth_bin: Annotated[int, Field(ge=0, lt=8)] | None = None
    mask: _Name | None = None
    truncated: bool | None = None
    occluded: bool | None = None


class Rule(_Frozen):
    """How pairs are drawn without a list: see kapbench.datasets.pairing."""

    n: PositiveInt | None = None  # per category; null: all
    seed: NonNegativeInt = 0
    min_shared: NonNegativeInt = 1
    same_photograph: bool = False  # whether two objects of one photograph may be a pair


class Manifest(_Frozen):
    """A data set of your own."""

    name: _Name
    categories: Annotated[dict[_Name, Category], Field(min_length=1)]
    images: Annotated[list[Image], Field(min_length=2)]
    pairs: list[tuple[_Name, _Name]] | None = None  # source and target, by id
    rule: Rule = Rule()
    size_from: Literal["box", "image"] = "box"  # what T is the longer side of
    has_absent: bool = True  # whether a source keypoint can be absent from the target
    exif: bool | None = None  # whether photographs are rotated as EXIF says; null: as points fit
    split: _Name = "test"
    licence: str = "not stated"
    citation: str = "not stated"


def image_id(image: Image) -> str:
    return image.id or str(PurePosixPath(with_slashes(image.path)).with_suffix(""))


def photograph_of(image: Image) -> str:
    """Path of the photograph, one for all of its objects."""
    return str(PurePosixPath(with_slashes(image.path)))


def names_of(image: Image, manifest: Manifest) -> list[str]:
    """Names of an image's keypoints, in the order of their ids."""
    return manifest.categories[image.category].keypoints if image.names is None else image.names


def mirror_of(category: Category) -> list[tuple[str, str]]:
    """Mirror counterparts as the category says, else by left and right in the keypoints' names."""
    if category.mirror is not None:
        return category.mirror
    names = category.keypoints
    return [(names[left], names[right]) for left, right in mirror_by_name(names)]


def groups_of(category: Category) -> list[list[str]]:
    """Part groups as the category says, else its mirror pairs."""
    if category.groups is not None:
        return category.groups
    return [[left, right] for left, right in mirror_of(category)]
