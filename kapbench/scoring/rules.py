"""Named rules: frozen files that state every choice a score depends on."""

import functools
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from kapbench.errors import KapbenchError
from kapbench.registry import unknown

Average = Literal["point", "image", "category", "pair"]
OverCategories = Literal["mean", "pair_weighted", "pooled", "negative_weighted"]
_Name = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
]  # also a folder's and a key's


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Decode(_Frozen):
    """How a similarity map becomes a predicted point.

    `offset`: "half-cell-minus-half" stride·i + stride/2 − 0.5, "floor-half-cell" stride·i +
    stride//2, both in a letterbox frame of `frame_px`; "centre": the cell's centre in original
    pixels; "pixel": argmax over the pixels of bilinearly upsampled features.
    `window`: radius in cells of the soft-argmax around the argmax; None decodes the argmax itself.
    """

    key: _Name
    offset: Literal["half-cell-minus-half", "floor-half-cell", "centre", "pixel"]
    frame_px: PositiveInt | None
    window: PositiveInt | None = None
    temperature: PositiveFloat | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Decode":
        if (self.frame_px is None) != (self.offset in ("centre", "pixel")):
            raise ValueError("frame_px belongs to the offsets that are measured in a frame")
        if (self.window is None) != (self.temperature is None):
            raise ValueError("a soft-argmax needs both window and temperature")
        return self


class Geometry(_Frozen):
    """Which cells count as inside the circle around a target keypoint.

    `anchor`: the point of a cell that is measured. `absent_at_corner`: a keypoint that the target
    does not show is measured as if it sat at the frame's (0, 0), where the published code keeps it.
    """

    key: _Name
    anchor: Literal["top-left", "centre"]
    frame_px: PositiveInt | None
    closed: bool
    nearest_inside: bool
    absent_at_corner: bool


class _Rule(_Frozen):
    name: _Name
    summary: str
    source: str
    notes: tuple[str, ...] = ()
    alphas: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    headline: tuple[Average, OverCategories]
    averages: dict[Any, tuple[OverCategories, ...]]

    @field_validator("alphas")
    @classmethod
    def _distinct(cls, alphas: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(alphas)) < len(alphas):
            raise ValueError("an alpha stands there twice")
        return alphas

    @model_validator(mode="after")
    def _headline_is_taken(self) -> "_Rule":
        average, over = self.headline
        if over not in self.averages.get(average, ()):
            raise ValueError(f"the headline {average}, {over} is not among the averages")
        return self

    @property
    def hash(self) -> str:
        """Identifies every choice; words are not part of it."""
        choices = self.model_dump(mode="json", exclude={"summary", "source", "notes"})
        return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()[:12]


class KapRule(_Rule):
    """How average precision over every source keypoint is taken.

    `empty`: a side of the circle without any cell gives a sample of score 0, or none.
    `absent`: an absent keypoint is one negative (its map's maximum), or the "corner"'s two samples.
    """

    metric: Literal["kap"]
    geometry: Geometry
    rescale: Literal["pair-min-max", "none"]
    empty: Literal["zero", "drop"]
    absent: Literal["negative", "corner"]
    averages: dict[Literal["category", "pair"], tuple[OverCategories, ...]]


class PckRule(_Rule):
    metric: Literal["pck"]
    decode: Decode
    decode_supervised: Decode | None = None  # for models trained on keypoints
    closed: bool
    subset: Literal["all", "repeated", "repeated-renumbered"]
    averages: dict[Literal["point", "image"], tuple[OverCategories, ...]]

    def decode_for(self, supervised: bool) -> Decode:
        return self.decode_supervised if supervised and self.decode_supervised else self.decode


Rule = KapRule | PckRule
_adapter: TypeAdapter[Rule] = TypeAdapter(Annotated[Rule, Field(discriminator="metric")])


@functools.cache
def rule_names() -> tuple[str, ...]:
    """Names of the rules that ship with kapbench, sorted."""
    entries = files("kapbench.scoring").joinpath("rules").iterdir()
    return tuple(sorted(e.name.removesuffix(".json") for e in entries if e.name.endswith(".json")))


def load_rule(name: str) -> Rule:
    """A shipped rule by name, or a rule file by path (ending in .json).

    Raises:
        KapbenchError: no such rule; the file is not one, or gives a shipped rule's name to other
            choices.
    """
    if name.endswith(".json"):
        return _own(_parse(Path(name)), Path(name))
    if name not in rule_names():
        raise unknown("rule", name, rule_names())
    return _shipped(name)


@functools.cache
def _shipped(name: str) -> Rule:
    path = files("kapbench.scoring").joinpath("rules", f"{name}.json")
    return _adapter.validate_json(path.read_text(encoding="utf-8"))


def _own(rule: Rule, path: Path) -> Rule:
    """A file's rule, once it is sure that its name means nothing else."""
    if rule.name in rule_names() and rule.hash != _shipped(rule.name).hash:
        raise KapbenchError(
            f"'{rule.name}' is a rule of kapbench, and this file chooses otherwise",
            place=f"{path}, key name",
            fix="give it a name of its own",
        )
    return rule


def _parse(path: Path) -> Rule:
    try:
        return _adapter.validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise KapbenchError(
            f"rule file cannot be read: {error}", place=path, fix="give an existing rule file"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise KapbenchError(
            f"not a rule: {first['msg']}",
            place=f"{path}, key {'.'.join(map(str, first['loc']))}",
            fix="compare it with kapbench/scoring/rules/kap-v1.json",
        ) from error
