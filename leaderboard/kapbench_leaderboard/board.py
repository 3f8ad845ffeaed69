"""Which runs may stand in one table: run cards to groups, and in words what keeps groups apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kapbench.running.results import DatasetCard, RuleCard, RunCard, ScoreRow
from kapbench.scoring.rules import load_rule, rule_names
from kapbench.types import Coverage

CONTROLS = ("random", "constant", "pixels", "oracle")
Kind = Literal["kap", "pck"]
# The released evaluator of KAP's paper comes first until the field moves.
_PREFERRED: dict[Kind, tuple[str, ...]] = {
    "kap": ("kap-cvpr24", "kap-v1", "kap-neurips25-fixed"),
    "pck": ("pck-sd-dino", "pck-v1", "pck-geoaware"),
}


@dataclass(frozen=True)
class Group:
    """Runs that saw the same pairs and are shown by the same rules."""

    rules: tuple[RuleCard, ...]
    cards: tuple[RunCard, ...]

    @property
    def dataset(self) -> DatasetCard:
        return self.cards[0].dataset

    @property
    def coverage(self) -> Coverage:
        data = self.dataset
        return Coverage(
            tuple(data.categories),
            tuple(data.categories_expected),
            data.n_pairs,
            data.n_pairs_expected,
        )

    def rule_of(self, kind: Kind) -> RuleCard | None:
        """The first rule of a kind among those shown."""
        return next((r for r in self.rules if kind_of(r.name, self.cards) == kind), None)

    def control(self, name: str) -> RunCard | None:
        return next((c for c in self.cards if c.model.name == name), None)


def group(cards: Iterable[RunCard], rules: Sequence[str] | None = None) -> list[Group]:
    """Groups of comparable runs, the largest data first; best-known order inside is the caller's.

    Args:
        rules: Names of the rules to show. None: of each run, one rule for KAP and one for PCK.
    """
    found: dict[tuple[object, ...], tuple[tuple[RuleCard, ...], list[RunCard]]] = {}
    for card in cards:
        shown = _shown(card, rules)
        if shown:
            found.setdefault(_key(card.dataset, shown), (shown, []))[1].append(card)
    groups = [Group(shown, tuple(members)) for shown, members in found.values()]
    return sorted(groups, key=lambda g: (g.dataset.name, -g.dataset.n_pairs, -len(g.cards)))


def without_rules(cards: Iterable[RunCard], rules: Sequence[str]) -> list[RunCard]:
    """Runs that have none of the rules asked for."""
    return [card for card in cards if not _shown(card, rules)]


def kind_of(rule: str, cards: Sequence[RunCard]) -> Kind:
    """Whether a rule scores KAP or PCK; a rule that is not shipped is known by its scores."""
    if rule in rule_names():
        return load_rule(rule).metric
    has_kap = any(s.rule == rule and s.metric == "kap" for c in cards for s in c.scores)
    return "kap" if has_kap else "pck"


def headline(rule: str, cards: Sequence[RunCard]) -> tuple[str, str]:
    """Average within and over categories by which a rule's one number is taken."""
    if rule in rule_names():
        return load_rule(rule).headline
    kind = kind_of(rule, cards)
    over = ("mean", "pair_weighted", "pooled", "negative_weighted")
    rows = [s for c in cards for s in c.scores if (s.rule, s.metric) == (rule, kind)]
    row = next((s for s in rows if s.category in over), None)
    return ("category" if kind == "kap" else "point", "mean") if row is None else _averages(row)


def why_apart(first: Group, other: Group) -> str:
    """In words, what keeps two groups from one table."""
    left, right = first.dataset, other.dataset
    if left.name != right.name:
        return f"another data set: {right.name}, not {left.name}"
    reasons = []
    if left.revision != right.revision:
        reasons.append(
            f"other annotations or pair list: revision {right.revision}, not {left.revision}"
        )
    if left.split != right.split:
        reasons.append(f"another split: {right.split}, not {left.split}")
    if left.pairs_hash != right.pairs_hash:
        reasons.append(f"other pairs: {_pairs(right)}, not {_pairs(left)}")
    return "; ".join(reasons + _rules_apart(first.rules, other.rules))


def _rules_apart(left: Sequence[RuleCard], right: Sequence[RuleCard]) -> list[str]:
    if {r.name for r in left} != {r.name for r in right}:
        return [f"other rules: {_names(right)}, not {_names(left)}"]
    hashes = {r.name: r.hash for r in left}
    return [
        f"another version of rule {r.name}: {r.hash}, not {hashes[r.name]}"
        for r in right
        if hashes[r.name] != r.hash
    ]


def _pairs(data: DatasetCard) -> str:
    return f"{data.n_pairs:,} pairs of {', '.join(data.categories)}"


def _names(rules: Iterable[RuleCard]) -> str:
    return ", ".join(r.name for r in rules)


def _averages(row: ScoreRow) -> tuple[str, str]:
    return row.average, row.category


def _key(data: DatasetCard, shown: Sequence[RuleCard]) -> tuple[object, ...]:
    rules = tuple((r.name, r.hash) for r in shown)
    return data.name, data.revision, data.split, data.pairs_hash, rules


def _shown(card: RunCard, rules: Sequence[str] | None) -> tuple[RuleCard, ...]:
    has = {r.name: r for r in card.rules}
    if rules is not None:
        return tuple(has[name] for name in rules if name in has)
    picked: list[RuleCard] = []
    for kind, preferred in _PREFERRED.items():
        mine = [name for name in has if kind_of(name, [card]) == kind]
        first = [name for name in preferred if name in mine]
        picked.extend(has[name] for name in (first or mine)[:1])
    return tuple(picked)
