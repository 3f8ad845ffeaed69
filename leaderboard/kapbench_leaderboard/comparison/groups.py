"""Comparability groups: which runs may share a table, and why others may not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kapbench.running.results import DatasetCard, RuleCard, RunCard
from kapbench.scoring.rules import PREFERRED_RULES
from kapbench.types import Coverage
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.comparison.scoring_versions import scoring_of

Kind = Literal["kap", "pck"]


@dataclass(frozen=True)
class Group:
    """Runs that saw the same pairs and were scored by the rules that are shown.

    `rules_are_named`: the user named these rules, so that no other is shown. `other_controls`: runs
    of controls on the same pairs, scored by the same rules for KAP, that are not among `cards`.
    `names`: what tables call models, with each old name.
    """

    rules: tuple[RuleCard, ...]
    cards: tuple[RunCard, ...]
    rules_are_named: bool = False
    other_controls: tuple[RunCard, ...] = ()
    names: tuple[tuple[str, str], ...] = ()

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
        return next((rule for rule in self.rules if rule.metric == kind), None)

    def control(self, name: str) -> RunCard | None:
        """The run of a control among `cards`, else among `other_controls`."""
        candidates = (*self.cards, *self.other_controls)
        return next((c for c in candidates if c.model.name == name and is_control(c)), None)


def group(
    cards: Iterable[RunCard],
    rules: Sequence[str] | None = None,
    random_runs: Sequence[RunCard] = (),
) -> list[Group]:
    """Groups of comparable runs by data set, the largest first; runs stay in their order.

    Args:
        rules: Names of the rules to show. None: of each run, one rule for KAP and one for PCK.
        random_runs: Runs of the control `random` whose scores may stand beside these runs.
    """
    cards = list(cards)
    random_runs = [*(c for c in cards if c.model.name == "random" and is_control(c)), *random_runs]
    by_key: dict[tuple[object, ...], tuple[tuple[RuleCard, ...], list[RunCard]]] = {}
    for card in cards:
        rules_of_card = selected_rules(card, rules)
        if rules_of_card:
            by_key.setdefault(_key(card, rules_of_card), (rules_of_card, []))[1].append(card)
    are_named = rules is not None
    groups = [
        Group(
            rules_of_card,
            tuple(members),
            are_named,
            _same_pairs(random_runs, members[0], rules_of_card),
        )
        for rules_of_card, members in by_key.values()
    ]
    return sorted(groups, key=lambda g: (g.dataset.name, -g.dataset.n_pairs, -len(g.cards)))


def _same_pairs(
    controls: Iterable[RunCard], card: RunCard, rules: Sequence[RuleCard]
) -> tuple[RunCard, ...]:
    """Controls with the same pairs as `card` that were scored by the same rules for KAP."""
    kap_rules = [rule for rule in rules if rule.metric == "kap"]
    names = [rule.name for rule in kap_rules]
    key = _key(card, kap_rules)
    return tuple(c for c in controls if key == _key(c, selected_rules(c, names)))


def without_rules(cards: Iterable[RunCard], rules: Sequence[str]) -> list[RunCard]:
    """Runs that were scored by none of these rules."""
    return [card for card in cards if not selected_rules(card, rules)]


def selected_rules(card: RunCard, rules: Sequence[str] | None = None) -> tuple[RuleCard, ...]:
    """The rules of a run by name; None: its best-known one for KAP and for PCK."""
    has = {r.name: r for r in card.rules}
    if rules is not None:
        return tuple(has[name] for name in rules if name in has)
    picked: list[RuleCard] = []
    for kind, preferred in PREFERRED_RULES.items():
        mine = [name for name, rule in has.items() if rule.metric == kind]
        first = [name for name in preferred if name in mine]
        picked.extend(has[name] for name in (first or mine)[:1])
    return tuple(picked)


def why_apart(first: Group, other: Group) -> str:
    """Why two groups cannot share a table: what the second has, and the first has not."""
    left, right = first.dataset, other.dataset
    if left.name != right.name:
        return f"the data set is {right.name}, not {left.name}"
    reasons = []
    alterations_agree = left.alterations == right.alterations
    if left.revision != right.revision and alterations_agree:
        reasons.append(f"the data set has revision {right.revision}, not {left.revision}")
    if left.split != right.split:
        reasons.append(f"the split is {right.split}, not {left.split}")
    if not alterations_agree:
        reasons.append(f"the data set is {_altered(right)}, not {_altered(left)}")
    n_pairs_differ = _pairs(left) != _pairs(right)
    if left.pairs_hash != right.pairs_hash and (alterations_agree or n_pairs_differ):
        reasons.append(f"the pairs are {_pairs(right)}, not {_pairs(left)}")
    reasons += _rules_apart(first.rules, other.rules)
    names = {r.name for r in first.rules} & {r.name for r in other.rules}
    versions = [scoring_of(g.cards[0], names) for g in (first, other)]
    if names and versions[0] != versions[1]:
        reasons.append(f"the scoring has version {versions[1]}, not {versions[0]}")
    return "; ".join(reasons)


def _rules_apart(left: Sequence[RuleCard], right: Sequence[RuleCard]) -> list[str]:
    if {r.name for r in left} != {r.name for r in right}:
        return [f"the rules are {_names(right)}, not {_names(left)}"]
    hashes = {r.name: r.hash for r in left}
    return [
        f"rule {r.name} has hash {r.hash}, not {hashes[r.name]}"
        for r in right
        if hashes[r.name] != r.hash
    ]


def _pairs(data: DatasetCard) -> str:
    pairs = "pair" if data.n_pairs == 1 else "pairs"
    return f"{data.n_pairs:,} {pairs} of {', '.join(data.categories)}"


def _altered(data: DatasetCard) -> str:
    """How the data set was altered: reversed and corrupted by fog-3."""
    words = {"reverse": "reversed"}
    named = [words.get(name, f"corrupted by {name}") for name in data.alterations]
    return " and ".join(named) or "as published"


def _names(rules: Iterable[RuleCard]) -> str:
    return ", ".join(r.name for r in rules)


def _key(card: RunCard, rules_of_card: Sequence[RuleCard]) -> tuple[object, ...]:
    data, named_rules = card.dataset, tuple((r.name, r.hash) for r in rules_of_card)
    version = scoring_of(card, (rule.name for rule in rules_of_card))
    return data.name, data.revision, data.split, data.pairs_hash, named_rules, version
