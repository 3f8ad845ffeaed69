"""The plug-in behind `kapbench compare`: run cards to one text."""

from collections.abc import Sequence
from typing import cast

from kapbench.running.results import RunCard
from kapbench_leaderboard.board import group, kind_of, without_rules
from kapbench_leaderboard.compare import View, tables
from kapbench_leaderboard.render import Format, render


def show(
    cards: Sequence[RunCard],
    *,
    rules: Sequence[str] | None = None,
    by: str | None = None,
    alpha: float = 0.10,
    how: str = "text",
    width: int = 80,
    colour: bool = False,
) -> str:
    """Tables of the runs, one a comparable group; see kapbench.cli.board.Board."""
    if by == "rule" and rules is None:
        rules = list(dict.fromkeys(rule.name for card in cards for rule in card.rules))
    view = cast("View", by or ("rule" if _several_of_a_kind(rules or (), cards) else "summary"))
    drawn = tables(group(cards, rules), view, alpha)
    out = render(drawn, cast("Format", how), width=width, colour=colour)
    left_out = without_rules(cards, rules or ())
    if rules and left_out and how == "text":
        names = ", ".join(dict.fromkeys(card.model.name for card in left_out))
        out += f"\nleft out, not scored by {' or '.join(rules)}: {names}\n"
    return out


def _several_of_a_kind(rules: Sequence[str], cards: Sequence[RunCard]) -> bool:
    """A table of splits has room for one rule of KAP and one of PCK."""
    kinds = [kind_of(rule, cards) for rule in rules]
    return len(kinds) != len(set(kinds))
