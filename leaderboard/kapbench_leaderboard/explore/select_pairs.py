"""The pairs of a page: named ones, the worst of a run, or some spread over all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kapbench.errors import KapbenchError, counted
from kapbench.running.results import RunCard
from kapbench_leaderboard.figures import select_rows
from kapbench_leaderboard.figures.run_view import RunView


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Args:
        n_pairs: At most so many, where `pair_ids` names none.
        worst: The worst pairs of the first run, instead of pairs spread over all.
        category: Pairs of this category only.
        pair_ids: These pairs, in this order.
    """

    n_pairs: int
    worst: bool = False
    category: str | None = None
    pair_ids: tuple[str, ...] = ()

    def sentence(self, n_pairs: int, first: RunCard) -> str:
        """How the pairs were chosen, for the reader."""
        of = f" of the category {self.category}" if self.category else ""
        if self.pair_ids:
            return f"{counted(n_pairs, 'pair')} chosen by name."
        if self.worst:
            return (
                f"The {counted(n_pairs, 'pair')}{of} where {first.model.name} finds the smallest "
                "share of keypoints: not a fair sample."
            )
        return f"{counted(n_pairs, 'pair')}{of}, spread evenly over the run's."


def select_pairs(runs: Sequence[RunView], selection: Selection) -> list[str]:
    """Ids of the selected pairs, all of which every run has.

    Raises:
        KapbenchError: no such pair or category; a run lacks a pair.
    """
    first = runs[0].of_category(selection.category)
    if selection.pair_ids:
        for pair_id in selection.pair_ids:
            select_rows.of_pair(first.records, pair_id)
        ids = list(dict.fromkeys(selection.pair_ids))
    elif selection.worst:
        rule = first.pck_rule
        ids = select_rows.worst(first.records, first.card, selection.n_pairs, rule)
    else:
        every = list(dict.fromkeys(first.records["pair_id"].astype(str)))
        n = min(selection.n_pairs, len(every))
        ids = [every[i] for i in ((np.arange(n) + 0.5) / n * len(every)).astype(int)]
    for run in runs[1:]:
        missing = set(ids) - set(run.records["pair_id"].astype(str))
        if missing:
            raise KapbenchError(
                f"The run has no pair '{min(missing)}' of the first run",
                place=f"run of {run.card.model.name}",
                fix="Choose runs of the same pairs, or name pairs that both have with --pair",
            )
    return ids
