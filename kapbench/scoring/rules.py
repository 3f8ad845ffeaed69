"""Named rules: frozen files that state every choice a score depends on."""

import functools
import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PositiveFloat,
    StrictBool,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from kapbench.errors import KapbenchError, unknown
from kapbench.scoring.decodes import Decode, FrozenChoices, Geometry, Name, PublishedInput
from kapbench.scoring.soft_rule_names import AS_WRITTEN, SoftArgmax, soft_argmax_of
from kapbench.untrusted.refused_values import describe_key
from kapbench.untrusted.strict_text import CORRECT_OWN, parse_json, read_bytes

__all__ = ["Decode", "Geometry", "is_shipped", "load_rule"]

Average = Literal["point", "image", "category", "pair"]
# The released evaluator of KAP's paper comes first until the field moves.
PREFERRED_RULES: dict[str, tuple[str, ...]] = {
    "kap": ("kap-cvpr24", "kap-v1", "kap-neurips25-fixed"),
    "pck": ("pck-sd-dino", "pck-v1", "pck-geoaware"),
}
OverCategories = Literal["mean", "pair_weighted", "pooled", "negative_weighted"]


class _Rule(FrozenChoices):
    name: Name
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
            raise ValueError("the same alpha is listed twice")
        return alphas

    @model_validator(mode="after")
    def _headline_is_taken(self) -> "_Rule":
        average, over = self.headline
        if over not in self.averages.get(average, ()):
            raise ValueError(f"the headline ({average}, {over}) is not among the averages")
        return self

    @property
    def hash(self) -> str:
        """Identifies every choice; summary, source, notes and input are not part of it."""
        choices = self.model_dump(mode="json", exclude={"summary", "source", "notes", "input"})
        return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()[:12]


class KapRule(_Rule):
    """How average precision over every source keypoint is taken.

    `empty`: a side of the circle without any cell gives a sample of score 0, or no sample.
    `absent`: an absent keypoint gives one negative (its map's maximum), or the two samples of a
    keypoint at the "corner".
    """

    metric: Literal["kap"]
    geometry: Geometry
    rescale: Literal["pair-min-max", "none"]
    empty: Literal["zero", "drop"]
    absent: Literal["negative", "corner"]
    averages: dict[Literal["category", "pair"], tuple[OverCategories, ...]]


class PckRule(_Rule):
    """How the share of visible keypoints that are found is taken.

    `input`: the images of the published runs, if encoders can be given the same; no choice of the
    rule, which scores any model, but stated beside the scores of models that were shown others.
    """

    metric: Literal["pck"]
    decode: Decode
    decode_supervised: Decode | None = None  # for models trained on keypoints
    closed: StrictBool
    subset: Literal["all", "repeated", "repeated-renumbered"]
    averages: dict[Literal["point", "image"], tuple[OverCategories, ...]]
    input: PublishedInput | None = None

    def decode_for(self, supervised: bool, window: int | None = None) -> Decode:
        """How this rule decodes the maps of a model.

        A rule leaves the window to the model if its `decode` and `decode_supervised` have different
        windows. Only such a rule takes the model's own window.

        Args:
            supervised: Whether the model was trained on keypoints.
            window: The model's own window; None: it declares none.
        """
        of_supervised = self.decode_supervised or self.decode
        decode = of_supervised if supervised else self.decode
        if window is None or self.decode.window == of_supervised.window:
            return decode
        defined = [d for d in (self.decode, of_supervised) if d.window == window]
        other = {"key": f"{decode.key}-window{window}", "window": window}
        return defined[0] if defined else decode.model_copy(update=other)


Rule = KapRule | PckRule
_METRICS = (("kap",), ("pck",))  # the steps that pydantic adds before a key
_adapter: TypeAdapter[Rule] = TypeAdapter(Annotated[Rule, Field(discriminator="metric")])


@functools.cache
def rule_names() -> tuple[str, ...]:
    """Names of the rules that ship with kapbench, sorted."""
    entries = files("kapbench.scoring").joinpath("rules").iterdir()
    return tuple(sorted(e.name.removesuffix(".json") for e in entries if e.name.endswith(".json")))


def load_rule(name: str) -> Rule:
    """A shipped rule or a soft-argmax of one by name, or a rule file by path (ending in .json).

    Raises:
        KapbenchError: there is no such rule; the file is not a rule, has an alpha above 1, or gives
            the name of a rule of kapbench to other choices.
    """
    if name.endswith(".json"):
        return _own(_parse(Path(name)), Path(name))
    if (soft := soft_argmax_of(name)) is not None:
        return _softened(name, soft)
    if name not in rule_names():
        error = unknown("rule", name, rule_names())
        if "-soft" in name:
            meant = error.fix or ""
            near = f", or {meant[0].lower()}{meant[1:]}" if "mean" in meant else ""
            error = KapbenchError(error.thing, fix=AS_WRITTEN + near)
        raise error
    return _shipped(name)


def is_shipped(name: str) -> bool:
    """Whether kapbench defines the rule of a name: it has a file, or is a soft-argmax of one."""
    try:
        return not name.endswith(".json") and load_rule(name).name == name
    except KapbenchError:
        return False


def _softened(name: str, soft: SoftArgmax) -> Rule:
    """A shipped PCK rule that decodes by a soft-argmax instead of the argmax."""
    if soft.rule not in rule_names():
        raise unknown("rule", soft.rule, rule_names(), place=name)
    rule = _shipped(soft.rule)
    if not isinstance(rule, PckRule) or rule.decode.is_soft or rule.decode.offset == "pixel":
        raise KapbenchError(
            f"{soft.rule} decodes no argmax of a map, so {name} is not a rule",
            fix="Choose a rule of PCK that does, e.g. pck-sd-dino",
        )
    key = f"{rule.decode.key}{soft.suffix}"
    decode = Decode.model_validate(rule.decode.model_dump() | {"key": key} | soft.choices)
    words = {"name": name, "summary": f"{rule.name} with a soft-argmax {soft.words}"}
    return rule.model_copy(update=words | {"decode": decode})


def check_alphas(alphas: Iterable[float], place: object) -> None:
    """Raises KapbenchError where an alpha, a share of T, is above 1: probably a percentage.

    Rules that are stored in run cards are not checked, so that all of them can be read.
    """
    for alpha in alphas:
        if alpha > 1:
            fix = f"Write {alpha / 100:g}" if alpha <= 100 else "Write 0.1 for 10 %"
            raise KapbenchError(
                f"The alpha {alpha:g} is above 1, but alpha is a share of the object's size T",
                place=place,
                fix=fix,
            )


@functools.cache
def _shipped(name: str) -> Rule:
    path = files("kapbench.scoring").joinpath("rules", f"{name}.json")
    return _adapter.validate_json(path.read_text(encoding="utf-8"))


def _own(rule: Rule, path: Path) -> Rule:
    """A file's rule; KapbenchError where an alpha is above 1, or the name is another rule's."""
    check_alphas(rule.alphas, f"{path}, key alphas")
    if is_shipped(rule.name) and rule.hash != load_rule(rule.name).hash:
        raise KapbenchError(
            f"The name '{rule.name}' belongs to a rule of kapbench that makes other choices",
            place=f"{path}, key name",
            fix="Give your rule another name",
        )
    return rule


def _parse(path: Path) -> Rule:
    content = read_bytes(path, "Give the path of an existing rule file")
    # Refuses what pydantic's own reader takes, e.g. two equal keys.
    parse_json(content, path, fix=CORRECT_OWN)
    try:
        return _adapter.validate_json(content)
    except ValidationError as error:
        example = files("kapbench.scoring").joinpath("rules", "kap-v1.json")
        raise KapbenchError(
            f"The file is not a valid rule. {_problems(error)}",
            place=path,
            fix=f"Correct it; {example} is an example",
        ) from error


def _problems(error: ValidationError) -> str:
    """Unknown and missing keys, or else the first wrong value."""
    keys, wrong_values = [], []
    for problem in error.errors():
        steps = problem["loc"]
        key = ".".join(str(step) for step in (steps[1:] if steps[:1] in _METRICS else steps))
        if problem["type"] == "union_tag_not_found":
            keys.append("Key 'metric' is missing")
        elif problem["type"] in ("extra_forbidden", "missing"):
            keys.append(describe_key(problem, key))
        else:
            wrong_values.append(describe_key(problem, key))
    return ". ".join(sorted(keys, key=lambda text: text.endswith("missing"))) or wrong_values[0]
