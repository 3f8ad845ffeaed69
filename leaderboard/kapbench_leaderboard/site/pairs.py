"""The pairs of models that have a page, and the names of these pages."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from kapbench_leaderboard.comparison.significance import Difference, differences
from kapbench_leaderboard.site.boards import Accepted, Board
from kapbench_leaderboard.site.links import Links
from kapbench_leaderboard.tables.build import Table
from kapbench_leaderboard.tables.differences import paired_tables

MOST_COMPARED = 10  # best models of a board; each pair of them has a page


@dataclass(frozen=True)
class Compared:
    """Two runs of a board. `labels`: their names in its table."""

    board: Board
    first: Accepted
    second: Accepted
    labels: tuple[str, str]

    def link(self, links: Links) -> str:
        """The page of the two; the plan is part of the name if several runs have one model's name."""
        n_of = Counter(card.model.name for card in self.board.group.cards)
        names = [
            f"{run.model.name}@{run.plan_hash}" if n_of[run.model.name] > 1 else run.model.name
            for run in (self.first.run, self.second.run)
        ]
        return links.pair(self.board.name, *names)

    @cached_property
    def differences(self) -> Sequence[Difference]:
        """Of the first less the second, which the sentences and the charts are made from."""
        return differences(self.first.resamples, self.second.resamples)

    def tables(self) -> list[Table]:
        both = (self.first, self.second)
        resamples = {a.run.provenance.records_sha256: a.resamples for a in both}
        return paired_tables(replace(self.board.group, cards=tuple(a.run for a in both)), resamples)


def compared(boards: Sequence[Board]) -> Iterator[Compared]:
    """Every pair of each board's best models."""
    for board in boards:
        labels = {row.card.plan_hash: row.label for row in board.summary.rows}
        for first, second in combinations(board.leading(MOST_COMPARED), 2):
            named = labels[first.run.plan_hash], labels[second.run.plan_hash]
            yield Compared(board, first, second, named)
