"""Runs that repeat one experiment with other seeds, and the run card of their mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from kapbench.errors import KapbenchError, counted
from kapbench.running.results import ModelCard, RunCard
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.comparison.groups import Group, why_apart

_FIX = "Give runs of another experiment another label: repeat `kapbench run` with --label"


@dataclass(frozen=True, slots=True)
class RepeatedRuns:
    """`mean`: a run card with the mean of every score over `runs`, without intervals.

    A score that one of the runs lacks has no mean.
    """

    runs: tuple[RunCard, ...]
    mean: RunCard


def repeated_runs(groups: Sequence[Group]) -> list[list[RepeatedRuns]]:
    """For each group, its runs by model and label, in the order of their first run.

    A run without a label is not known to repeat another one and stands alone.

    Raises:
        KapbenchError: runs of one model and label cannot be compared, see different inputs, or have
            the same records.
    """
    by_group = [_by_name(members.cards) for members in groups]
    for (group, runs), (other_group, other_runs) in combinations(
        zip(groups, by_group, strict=True), 2
    ):
        data, other = group.dataset, other_group.dataset
        if (data.name, data.split) == (other.name, other.split):
            for name in runs.keys() & other_runs.keys():
                raise _refused(runs[name][0], why_apart(group, other_group))
    return [[_repeated(cards) for cards in runs.values()] for runs in by_group]


def _by_name(cards: Iterable[RunCard]) -> dict[object, list[RunCard]]:
    by: dict[object, list[RunCard]] = {}
    for i, card in enumerate(cards):
        by.setdefault(i if card.label is None else (card.model.name, card.label), []).append(card)
    return by


def _repeated(cards: Sequence[RunCard]) -> RepeatedRuns:
    first, *others = cards
    for other in others:
        facts = zip(_facts(first.model).items(), _facts(other.model).values(), strict=True)
        differing = [
            f"{field} is {right}, not {left}" for (field, left), right in facts if left != right
        ]
        if differing:
            raise _refused(first, "; ".join(differing))
    hashes = {card.provenance.records_sha256 for card in cards}
    if len(hashes) < len(cards):
        raise KapbenchError(
            f"Of {counted(len(cards), 'run')} of {_name(first)}, only {len(hashes)} have records of "
            "their own, and a standard deviation over copies of a run would be too small",
            place=_place(first),
            fix="Name each run once, or give a run that only repeats another one another label",
        )
    return RepeatedRuns(tuple(cards), first if not others else _mean(cards))


def _mean(cards: Sequence[RunCard]) -> RunCard:
    first = cards[0]
    shared = set.intersection(*({(r.name, r.hash) for r in card.rules} for card in cards))
    data = first.dataset.model_copy(
        update={"remarks": _each_once(r for card in cards for r in card.dataset.remarks)}
    )
    revisions = " ".join(_each_once(card.model.revision for card in cards))
    fields = dict(first) | {  # not model_copy, which keeps the scores that `first` has looked up
        "model": first.model.model_copy(update={"revision": revisions}),
        "dataset": data,
        "rules": tuple(r for r in first.rules if (r.name, r.hash) in shared),
        "scores": tuple(_mean_score(row, cards) for row in first.scores),
        "remarks": _each_once(remark for card in cards for remark in card.remarks),
    }
    return RunCard(**fields)


def _mean_score(row: Score, cards: Sequence[RunCard]) -> Score:
    rows = [
        card.score(
            row.rule, row.metric, row.alpha, row.category, average=row.average, split=row.split
        )
        for card in cards
    ]
    values = [None if each is None else each.value for each in rows]
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if len(known) == len(cards) else None
    return row.model_copy(update={"value": mean, "low": None, "high": None})


def _facts(model: ModelCard) -> dict[str, object]:
    """What the runs of one row may not differ in; a seed changes the revision and the options."""
    return {
        "kind": model.kind,
        "conditions_on": ", ".join(model.conditions_on) or "nothing",
        "similarity": model.similarity,
        "supervision": model.supervision,
        "trained_on": model.trained_on,
        "window": model.window,
    }


def _each_once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _name(card: RunCard) -> str:
    return f"{card.model.name} [{card.label}]"


def _place(card: RunCard) -> str:
    return f"{card.dataset.name}, {card.dataset.split} split"


def _refused(card: RunCard, why: str) -> KapbenchError:
    return KapbenchError(
        f"The runs of {_name(card)} cannot be averaged: {why}", place=_place(card), fix=_FIX
    )
