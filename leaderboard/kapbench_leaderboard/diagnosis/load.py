"""Runs and entries to diagnoses, once it is sure that they may be compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kapbench.errors import KapbenchError
from kapbench.running.diagnosis.diagnose_run import diagnose_run, diagnosed_rules
from kapbench.running.diagnosis.run_diagnosis import By, RunDiagnosis
from kapbench.running.results import RunCard, load_records
from kapbench_leaderboard.comparison.groups import group, why_apart
from kapbench_leaderboard.entries.as_runs import entry_records
from kapbench_leaderboard.tables.build import labels


@dataclass(frozen=True, slots=True)
class Choice:
    """What to diagnose: rules by name or file, alpha (None: the rules' first), and a division."""

    rules: tuple[str, ...] = ()
    alpha: float | None = None
    by: By | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A diagnosis and what tables call its run."""

    label: str
    diagnosis: RunDiagnosis


def diagnosed(
    runs: Mapping[Path, RunCard], choice: Choice, advance: Callable[[int], None] = lambda _: None
) -> list[Named]:
    """In the order of the runs.

    Args:
        runs: By run folder, or by the path of an entry.
        advance: Called with 1 after each run.

    Raises:
        KapbenchError: runs that may not be compared; as of `diagnose_run`; or changed records.
    """
    cards = [*runs.values()]
    _refuse_apart(cards, choice)
    out = []
    for label, (place, card) in zip(labels(cards), runs.items(), strict=True):
        records = records_of(place)
        made = diagnose_run(card, records, rules=choice.rules, alpha=choice.alpha, by=choice.by)
        out.append(Named(label, made))
        advance(1)
    return out


def records_of(place: Path) -> pd.DataFrame:
    """Of a run folder or an entry. Raises KapbenchError: they are missing or were changed."""
    return entry_records(place) if place.suffix == ".json" else load_records(place)


def _refuse_apart(cards: list[RunCard], choice: Choice) -> None:
    kap, pck = diagnosed_rules(cards[0], choice.rules)
    names = [rule.name for rule in (kap, pck) if rule is not None]
    groups = group(cards, names)
    if len(groups) > 1:
        first, other = groups[:2]
        one, two = (f"{c.model.name} on {c.dataset.name}" for c in (first.cards[0], other.cards[0]))
        raise KapbenchError(
            f"These runs cannot be compared: {why_apart(first, other)}",
            place=f"{two} against {one}",
            fix="Name runs of one data set, split, category list and set of rules; --dataset and "
            "--category choose among runs of one name",
        )
    for card in cards:  # also those that were scored by none of these rules
        diagnosed_rules(card, tuple(names))
