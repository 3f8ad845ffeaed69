"""What a run will do, fixed before it starts: pairs by target image, cut into chunks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import get_args

from kapbench.errors import KapbenchError
from kapbench.protocols import AnnotatedModel, ChecksPlan, Condition, Dataset, Encoder, Model
from kapbench.scoring.rules import KapRule, PckRule, Rule, load_rule
from kapbench.storage import fingerprint
from kapbench.types import Pair, View

CHUNK_PAIRS = 128
SCORING_VERSION = 2  # raised where the same maps would give other rows, scores or intervals
DEFAULT_RULES = (
    "kap-cvpr24",
    "kap-neurips25",
    "kap-neurips25-fixed",
    "kap-v1",
    "pck-sd-dino",
    "pck-geoaware",
    "pck-geoaware-soft",
    "pck-v1",
    "geo",
    "geo-published-point",
)


@dataclass(frozen=True)
class Chunk:
    """Pairs scored together: of whole target images, so that no map depends on how they are cut."""

    number: int
    places: tuple[int, ...]  # its pairs' positions in the data set's order
    pairs: tuple[Pair, ...]  # by target image


@dataclass(frozen=True)
class Plan:
    pairs: tuple[Pair, ...]
    rules: tuple[Rule, ...]
    chunks: tuple[Chunk, ...]
    pairs_hash: str
    hash: str

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(sorted({p.source.category for p in self.pairs}))

    @property
    def views(self) -> list[View]:
        """Distinct images, by image_id."""
        return distinct_views(self.pairs)


def distinct_views(pairs: Iterable[Pair]) -> list[View]:
    """The images of pairs, by image_id."""
    views = {view.image_id: view for pair in pairs for view in (pair.source, pair.target)}
    return [views[image_id] for image_id in sorted(views)]


def make_plan(
    model: Model, dataset: Dataset, rules: Sequence[Rule], categories: Sequence[str] | None
) -> Plan:
    """
    Raises:
        KapbenchError: no pairs; a name or revision that is not a text; a rule that needs what the
            model or the data set does not have.
    """
    _check_texts("model", model, "name", "revision")
    _check_texts("data set", dataset, "name", "split", "revision")
    pairs = tuple(dataset.pairs(categories))
    if not pairs:
        for_training = not dataset.pairs() and bool(dataset.views())
        train = f"kapbench train sphere --dataset {dataset.name} --split {dataset.split}"
        raise KapbenchError(
            "there are no pairs to evaluate",
            place=f"{dataset.name}, split {dataset.split}",
            fix=f"these images are for training only: `{train} --validate-every 0`"
            if for_training
            else "choose another split or category",
        )
    _check_model(model)
    for rule in rules:
        _check_rule(rule, model, dataset)
    pairs_hash = fingerprint([p.pair_id for p in pairs])
    plan_hash = fingerprint(
        SCORING_VERSION,
        dataset.name,
        dataset.revision,
        dataset.split,
        pairs_hash,
        model.name,
        model.revision,
        sorted(model.conditions_on),
        getattr(model, "similarity", None),
        supervised(model),
        [(rule.name, rule.hash) for rule in rules],
    )
    return Plan(pairs, tuple(rules), _chunks(pairs), pairs_hash, plan_hash)


def check_answers(model: Model, plan: Plan) -> None:
    """Raises KapbenchError where a model of saved outputs lacks the output of an image or a pair."""
    if isinstance(model, ChecksPlan):
        pairs = {(p.source.image_id, p.target.image_id) for p in plan.pairs}
        model.check_plan([view.image_id for view in plan.views], sorted(pairs))


def rules_named(names: Sequence[str], dataset: Dataset) -> tuple[Rule, ...]:
    """Rules by name or file; without names, every default rule that the data set defines.

    Raises:
        KapbenchError: an unknown rule, or two files that give one name to different rules.
    """
    rules: dict[str, Rule] = {}
    for name in names or DEFAULT_RULES:
        rule = load_rule(name)
        if rules.setdefault(rule.name, rule).hash != rule.hash:
            raise KapbenchError(
                f"two different rules are named '{rule.name}'",
                place=name,
                fix="give each rule file its own name (key name)",
            )
    if names:
        return tuple(rules.values())
    defined = kap_is_defined(dataset)
    return tuple(rule for rule in rules.values() if defined or not isinstance(rule, KapRule))


def kap_is_defined(dataset: Dataset) -> bool:
    """Whether a keypoint can be absent from the target, and T is the object's, not the image's."""
    return dataset.has_absent and dataset.size_from == "box"


def model_kind(model: Model) -> str:
    if isinstance(model, AnnotatedModel):
        return "oracle"
    return "encoder" if isinstance(model, Encoder) else "pair"


def supervised(model: Model) -> bool:
    """Whether the model says that it was trained on keypoints."""
    return getattr(model, "supervision", "none") == "keypoints"


def _check_texts(thing: str, plugin: Model | Dataset, *names: str) -> None:
    """Names and revisions identify a run: each must be a text, and not an empty one."""
    for name in names:
        value = getattr(plugin, name, None)
        if not isinstance(value, str) or not value.strip():
            raise KapbenchError(
                f"{name} is {value!r}, which is not a text",
                place=f"{thing} {getattr(plugin, 'name', None) or type(plugin).__name__}",
                fix=f"set it to a text, e.g. {name} = '1'",
            )


def _check_model(model: Model) -> None:
    """A misspelt choice must not pass for a choice."""
    conditions: object = model.conditions_on
    known = get_args(Condition)
    if not isinstance(conditions, tuple | list) or not set(conditions) <= set(known):
        raise KapbenchError(
            f"conditions_on is {conditions!r}",
            place=f"model {model.name}",
            fix=f"set it to a tuple of {', '.join(known)}, or to ()",
        )
    if isinstance(model, Encoder) and "twins" in conditions:
        raise KapbenchError(
            "an encoder sees one image and no keypoint, so it cannot condition on twins",
            place=f"model {model.name}",
            fix="leave 'twins' out of conditions_on, or write match() instead of encode()",
        )
    if isinstance(model, Encoder) and model.similarity not in ("dot", "neg_l2"):
        raise KapbenchError(
            f"similarity is {model.similarity!r}",
            place=f"model {model.name}",
            fix="set it to how its maps are compared: 'dot' (of unit vectors) or 'neg_l2'",
        )


def _check_rule(rule: Rule, model: Model, dataset: Dataset) -> None:
    if isinstance(rule, KapRule) and not kap_is_defined(dataset):
        raise KapbenchError(
            f"{rule.name} is not defined on {dataset.name}: no keypoint is ever absent from a target, "
            "or distances are relative to the image and not to the object",
            fix="choose PCK rules, e.g. --rule pck-v1",
        )
    if (
        isinstance(rule, PckRule)
        and rule.decode.offset == "pixel"
        and model_kind(model) != "encoder"
    ):
        raise KapbenchError(
            f"{rule.name} upsamples features, but {model.name} returns only similarity maps",
            fix="leave this rule out, or score an encoder",
        )


def _chunks(pairs: Sequence[Pair]) -> tuple[Chunk, ...]:
    def target(place: int) -> str:
        return pairs[place].target.image_id

    cuts: list[list[int]] = []
    for _, places in groupby(sorted(range(len(pairs)), key=target), key=target):
        if not cuts or len(cuts[-1]) >= CHUNK_PAIRS:
            cuts.append([])
        cuts[-1].extend(places)
    return tuple(
        Chunk(number, tuple(places), tuple(pairs[place] for place in places))
        for number, places in enumerate(cuts)
    )
