"""Sentences on where two columns order the same models differently."""

from collections.abc import Sequence
from itertools import combinations

from kapbench.running.results import RuleCard, RunCard
from kapbench_leaderboard.comparison.groups import Group

MOST = 3
Scores = list[float | None]


def disagreements(
    members: Group, models: Sequence[RunCard], names: Sequence[str], alpha: float
) -> list[str]:
    """Sentences, none where all agree: KAP against PCK, and each metric against its other alphas."""
    kap, pck = members.rule_of("kap"), members.rule_of("pck")
    out = []
    if kap is not None and pck is not None:
        one, other = _headline(kap, models, alpha), _headline(pck, models, alpha)
        out += _sentence(f"KAP@{alpha:.2f}", one, f"PCK@{alpha:.2f}", other, names)
    for rule in (kap, pck):
        for finer in rule.alphas if rule else ():
            if rule is not None and finer != alpha:
                word = rule.metric.upper()
                one, other = _headline(rule, models, alpha), _headline(rule, models, finer)
                out += _sentence(f"{word}@{alpha:.2f}", one, f"{word}@{finer:.2f}", other, names)
    return out


def _headline(rule: RuleCard, models: Sequence[RunCard], alpha: float) -> Scores:
    rows = [card.headline(rule, alpha) for card in models]
    return [None if row is None else row.value for row in rows]


def _sentence(
    first: str, one: Scores, second: str, other: Scores, names: Sequence[str]
) -> list[str]:
    swaps = []
    for i, j in combinations(range(len(names)), 2):
        a, b, c, d = one[i], one[j], other[i], other[j]
        if a is None or b is None or c is None or d is None or (a - b) * (c - d) >= 0:
            continue
        up, down = (i, j) if a > b else (j, i)
        swaps.append(
            f"{names[up]} is {_points(one[up], one[down])} points above {names[down]} by {first} and "
            f"{_points(other[down], other[up])} below by {second}"
        )
    if not swaps:
        return []
    more = f"; and {len(swaps) - MOST} more" if len(swaps) > MOST else ""
    return [f"{first} and {second} rank models differently: {'; '.join(swaps[:MOST])}{more}."]


def _points(more: float | None, less: float | None) -> str:
    return f"{100 * ((more or 0) - (less or 0)):.1f}"
