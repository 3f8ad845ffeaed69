"""The difficulty that SPair-71k's devkit states of a pair, beyond what its two images tell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from kapbench.datasets import reading as read
from kapbench.errors import KapbenchError

_FIX = "mend the file, or fetch the data set again"
_Degree = Annotated[int, Field(ge=0, le=2)]


class Difficulty(NamedTuple):
    """0 easy, 1 medium, 2 hard; None: unknown, as where the pair file is not here."""

    viewpoint: int | None = None
    scale: int | None = None


class _PairFile(BaseModel):
    """The keys that are read of a PairAnnotation file; null is unknown."""

    model_config = ConfigDict(strict=True)

    viewpoint_variation: _Degree | None = None
    scale_variation: _Degree | None = None


def difficulty(path: Path) -> Difficulty:
    """That of one PairAnnotation file. KapbenchError where it cannot be understood."""
    if not path.is_file():
        return Difficulty()
    content = read.read_json(read.read_bytes(path, _FIX), path)
    if not isinstance(content, dict):
        raise KapbenchError("no pair annotation", place=path, fix=_FIX)
    found = read.parsed(_PairFile, content, path)
    return Difficulty(found.viewpoint_variation, found.scale_variation)


def known(found: Sequence[Difficulty]) -> tuple[str, ...]:
    """Of each of the two, whether it is known, in words."""
    said = [
        f"{name} variation {_share([degree is not None for degree in degrees])}"
        for name, degrees in zip(Difficulty._fields, zip(*found, strict=True), strict=True)
    ]
    return (", ".join(said),)


def _share(told: Sequence[bool]) -> str:
    return "known" if all(told) else "unknown" if not any(told) else "known of some categories"
