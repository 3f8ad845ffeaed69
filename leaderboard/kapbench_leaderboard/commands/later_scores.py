"""Tables of scores that runs of earlier versions do not store: their records give what they can."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kapbench.errors import KapbenchError
from kapbench_leaderboard.tables.choices import OF_PARTS, View

if TYPE_CHECKING:
    from kapbench.running.results import RunCard
    from kapbench.scoring.schema import Records


def runs_with_later_scores(
    runs: "Mapping[Path, RunCard]", view: View | None, rules: Sequence[str] | None, alpha: float
) -> "Mapping[Path, RunCard]":
    """Run cards by folder or entry, as `with_later_scores`; those of other views as they are.

    A run whose records are missing or were changed stays as it is, and its table says so.
    """
    if view != "geco" and view not in OF_PARTS:
        return runs
    from kapbench_leaderboard.comparison.later_scores import (
        Later,
        lacks_later_scores,
        with_later_scores,
    )

    kind: Later = "geco" if view == "geco" else "parts"
    made = dict(runs)
    for place, card in runs.items():
        if lacks_later_scores(card):
            with suppress(KapbenchError):
                made[place] = with_later_scores(card, _records(place), rules, alpha, [kind])
    return made


def _records(place: Path) -> "Records":
    """Of a run folder, or of an entry. Raises KapbenchError: they are missing, or were changed."""
    from kapbench.running.results import open_records
    from kapbench_leaderboard.entries.as_runs import entry_records

    return entry_records(place) if place.suffix == ".json" else open_records(place)
