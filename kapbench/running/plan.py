"""What a run will do, fixed before it starts: pairs by target image, cut into chunks."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from kapbench.errors import KapbenchError
from kapbench.models.outputs import check_plan
from kapbench.protocols import ChecksPlan, Dataset, Model, ModelInfo, check_dataset, model_info
from kapbench.running.results import DatasetCard, ModelCard
from kapbench.scoring.rules import KapRule, PckRule, Rule, load_rule
from kapbench.scoring.sound_pairs import refuse_reserved, refuse_unsound
from kapbench.scoring.versions import SCORING_VERSION, last_change
from kapbench.storage import fingerprint
from kapbench.types import Pair, View
from kapbench.untrusted.repeated_ids import check_ids

CHUNK_PAIRS = 128
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
        return tuple(sorted({p.category for p in self.pairs}))

    @property
    def views(self) -> list[View]:
        """Distinct images, by image_id."""
        return distinct_views(self.pairs)


def distinct_views(pairs: Iterable[Pair]) -> list[View]:
    """The images of pairs, by image_id."""
    views = {view.image_id: view for pair in pairs for view in (pair.source, pair.target)}
    return [views[image_id] for image_id in sorted(views)]


def make_plan(
    model: Model,
    dataset: Dataset,
    rules: Sequence[Rule],
    categories: Sequence[str] | None,
    info: ModelInfo | None = None,
    *,
    limit: int | None = None,
) -> Plan:
    """
    Args:
        info: What the model declares, with a revision that identifies it; None: as it declares it.
        limit: See `some_pairs`; None: all pairs.

    Raises:
        KapbenchError: no pairs; see `model_info`, `check_dataset`, `refuse_unsound` and
            `refuse_reserved`; a rule that the model or the data set cannot serve.
    """
    info = info or model_info(model)
    check_dataset(dataset)
    pairs = tuple(dataset.pairs(categories))
    if not pairs:
        for_training = not dataset.pairs() and bool(dataset.views())
        train = f"kapbench train METHOD --dataset {dataset.name} --split {dataset.split}"
        raise KapbenchError(
            "There are no pairs to evaluate",
            place=f"{dataset.name}, split {dataset.split}",
            fix=f"These images are for training only: `{train} --validate-every 0`"
            if for_training
            else "Choose another split or category",
        )
    check_ids(pairs, dataset.name)
    refuse_reserved({pair.category for pair in pairs}, dataset.name)
    refuse_unsound(pairs, dataset.name)
    for rule in rules:
        _check_rule(rule, info, dataset)
    if limit is not None:
        pairs = some_pairs(pairs, limit)
    pairs_hash = fingerprint([p.pair_id for p in pairs])
    plan_hash = hash_of_plan(info, dataset, pairs_hash, rules, SCORING_VERSION, limit)
    return Plan(pairs, tuple(rules), _chunks(pairs), pairs_hash, plan_hash)


def hash_of_plan(
    model: ModelInfo | ModelCard,
    dataset: Dataset | DatasetCard,
    pairs_hash: str,
    rules: Sequence[Rule],
    scoring: int,
    limit: int | None = None,
) -> str:
    """Identifies a run. Everything in it is in the run card, so that a check can compute it again.

    Args:
        scoring: The version of scoring.
        limit: As of `make_plan`.
    """
    return fingerprint(
        max(last_change(rule, scoring) for rule in rules),
        dataset.name,
        dataset.revision,
        dataset.split,
        pairs_hash,
        model.name,
        model.revision,
        sorted(model.conditions_on),
        model.similarity,
        model.supervised,
        [(rule.name, rule.hash) for rule in rules],
        *([] if model.window is None else [f"window {model.window}"]),
        *([] if limit is None else [f"limit {limit}"]),
    )


def some_pairs(pairs: Sequence[Pair], n: int) -> tuple[Pair, ...]:
    """At most `n` pairs, as evenly over the categories as they allow; in the data set's order.

    In each category they are chosen by the hash of their ids, so that every machine takes the same.
    """

    def by_hash(pair: Pair) -> str:
        return fingerprint(pair.pair_id)

    ranks: dict[str, int] = {}
    order = defaultdict[str, int](int)
    for pair in sorted(pairs, key=by_hash):
        ranks[pair.pair_id] = order[pair.category]
        order[pair.category] += 1
    chosen = sorted(pairs, key=lambda p: (ranks[p.pair_id], by_hash(p)))[:n]
    ids = {pair.pair_id for pair in chosen}
    return tuple(pair for pair in pairs if pair.pair_id in ids)


def check_answers(model: Model, plan: Plan) -> None:
    """Raises KapbenchError where a model of saved outputs lacks the output of an image or a pair."""
    if isinstance(model, ChecksPlan):
        pairs = {(p.source.image_id, p.target.image_id) for p in plan.pairs}
        check_plan(model, [view.image_id for view in plan.views], sorted(pairs))


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
                f"Two different rules are named '{rule.name}'",
                place=name,
                fix="Give each rule file its own name (key name)",
            )
    if names:
        return tuple(rules.values())
    defined = kap_is_defined(dataset)
    return tuple(rule for rule in rules.values() if defined or not isinstance(rule, KapRule))


def kap_is_defined(dataset: Dataset) -> bool:
    """Whether a keypoint can be absent from the target, and T is the object's, not the image's."""
    return dataset.has_absent and dataset.size_from == "box"


def _check_rule(rule: Rule, model: ModelInfo, dataset: Dataset) -> None:
    if isinstance(rule, KapRule) and not kap_is_defined(dataset):
        raise KapbenchError(
            f"{rule.name} is not defined on {dataset.name}: no keypoint is ever absent from a target, "
            "or distances are relative to the image and not to the object",
            fix="Choose PCK rules, e.g. --rule pck-v1",
        )
    if isinstance(rule, PckRule) and rule.decode.offset == "pixel" and model.kind != "encoder":
        raise KapbenchError(
            f"{rule.name} upsamples features, but {model.name} returns only similarity maps",
            fix="Leave this rule out, or score an encoder",
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
