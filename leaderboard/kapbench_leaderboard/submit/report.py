"""What was found, as Markdown in which nothing that a stranger wrote can act."""

from collections.abc import Collection, Sequence

from kapbench.running.results import RunCard
from kapbench_leaderboard.board import group
from kapbench_leaderboard.compare import tables
from kapbench_leaderboard.render import render


def fenced(lines: Sequence[str]) -> str:
    """Lines as they are, less signs that would end the block or steer a terminal."""
    plain = [_plain(line) for text in lines for line in text.split("\n")]
    return "\n".join(["```", *plain, "```"])


def refused(thing: object, findings: Sequence[str]) -> list[str]:
    return [f"REFUSED   {thing}", *(f"  - {f}".replace("\n", "\n    ") for f in findings)]


def boards(cards: Sequence[RunCard], new: Collection[str]) -> str:
    """The tables in which runs of these plans stand, among all that they are compared with."""
    shown = [g for g in group(cards) if any(card.plan_hash in new for card in g.cards)]
    return render(tables(shown), "markdown") if shown else ""


def _plain(line: str) -> str:
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line.replace("`", "'")
    )
