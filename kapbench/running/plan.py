"""What a run will do, fixed before it starts: pairs by target image, cut into shards."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from kapbench.errors import KapbenchError
from kapbench.protocols import ChecksPlan, Dataset, Model, ModelInfo, check_dataset, model_info
from kapbench.scoring.rules import KapRule, PckRule, Rule, load_rule
from kapbench.storage import fingerprint
from kapbench.types import Pair, View

SHARD_PAIRS = 128
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
class Shard:
    """Whole target images, so that a map's arithmetic never depends on how work was cut."""

    number: int
    places: tuple[int, ...]  # of its pairs in the data set's order
    pairs: tuple[Pair, ...]  # by target image


@dataclass(frozen=True)
class Plan:
    pairs: tuple[Pair, ...]
    rules: tuple[Rule, ...]
    shards: tuple[Shard, ...]
    pairs_hash: str
    hash: str

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(sorted({p.source.category for p in self.pairs}))

    @property
    def views(self) -> list[View]:
        """Distinct images, by image_id."""
        found = {v.image_id: v for p in self.pairs for v in (p.source, p.target)}
        return [found[name] for name in sorted(found)]


def make_plan(
    model: Model, dataset: Dataset, rules: Sequence[Rule], categories: Sequence[str] | None
) -> Plan:
    """
    Raises:
        KapbenchError: no pairs; see `model_info` and `check_dataset`; a rule that the model or the
            data set cannot serve.
    """
    info = model_info(model)
    check_dataset(dataset)
    pairs = tuple(dataset.pairs(categories))
    if not pairs:
        for_training = not dataset.pairs() and bool(dataset.views())
        train = f"kapbench train METHOD --dataset {dataset.name} --split {dataset.split}"
        raise KapbenchError(
            "no pairs to evaluate",
            place=f"{dataset.name}, split {dataset.split}",
            fix=f"its images are for training: `{train} --validate-every 0`"
            if for_training
            else "choose another split or category",
        )
    for rule in rules:
        _check_rule(rule, info, dataset)
    pairs_hash = fingerprint([p.pair_id for p in pairs])
    whole = fingerprint(
        SCORING_VERSION,
        dataset.name,
        dataset.revision,
        dataset.split,
        pairs_hash,
        info.name,
        info.revision,
        sorted(info.conditions_on),
        info.similarity,
        info.supervised,
        [(rule.name, rule.hash) for rule in rules],
    )
    return Plan(pairs, tuple(rules), _shards(pairs), pairs_hash, whole)


def check_answers(model: Model, plan: Plan) -> None:
    """Raises KapbenchError where a model knows beforehand that it has no answer to some of a plan."""
    if isinstance(model, ChecksPlan):
        pairs = {(p.source.image_id, p.target.image_id) for p in plan.pairs}
        model.check_plan([view.image_id for view in plan.views], sorted(pairs))


def rules_named(names: Sequence[str], dataset: Dataset) -> list[Rule]:
    """Rules by name; none named: every rule that one pass serves and the data set defines.

    Raises:
        KapbenchError: an unknown rule, or two files that give one name to different rules.
    """
    found: dict[str, Rule] = {}
    for name in names or DEFAULT_RULES:
        rule = load_rule(name)
        if found.setdefault(rule.name, rule).hash != rule.hash:
            raise KapbenchError(
                f"two different rules are named '{rule.name}'",
                place=name,
                fix="give each rule file a name of its own",
            )
    if names:
        return list(found.values())
    defined = kap_is_defined(dataset)
    return [rule for rule in found.values() if defined or not isinstance(rule, KapRule)]


def kap_is_defined(dataset: Dataset) -> bool:
    """Whether a keypoint can be absent from the target, and T is the object's, not the image's."""
    return dataset.has_absent and dataset.size_from == "box"


def _check_rule(rule: Rule, model: ModelInfo, dataset: Dataset) -> None:
    if isinstance(rule, KapRule) and not kap_is_defined(dataset):
        raise KapbenchError(
            f"{rule.name} is not defined on {dataset.name}: no keypoint is ever absent there, "
            "or its distances are shares of the image",
            fix="choose PCK rules, e.g. --rule pck-v1",
        )
    if isinstance(rule, PckRule) and rule.decode.offset == "pixel" and model.kind != "encoder":
        raise KapbenchError(
            f"{rule.name} upsamples features, and {model.name} gives similarity maps only",
            fix="leave the rule out, or use an encoder",
        )


def _shards(pairs: Sequence[Pair]) -> tuple[Shard, ...]:
    def target(place: int) -> str:
        return pairs[place].target.image_id

    cuts: list[list[int]] = []
    for _, places in groupby(sorted(range(len(pairs)), key=target), key=target):
        if not cuts or len(cuts[-1]) >= SHARD_PAIRS:
            cuts.append([])
        cuts[-1].extend(places)
    return tuple(
        Shard(number, tuple(places), tuple(pairs[place] for place in places))
        for number, places in enumerate(cuts)
    )
