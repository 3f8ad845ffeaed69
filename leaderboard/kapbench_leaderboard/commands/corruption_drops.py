"""What `kapbench.corruption_drops` and `kapbench sweep --corrupt` call, found by entry point."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from kapbench.datasets.altering.corruption_names import NAMES
from kapbench.errors import KapbenchError
from kapbench.running.diagnosis.sentence import FEWEST_IMAGES
from kapbench.running.results import RuleCard, RunCard
from kapbench_leaderboard.commands.python_api import Chosen, Run
from kapbench_leaderboard.comparison.corruption_drops import (
    corruption_in,
    relative_drop,
    without_corruption,
)
from kapbench_leaderboard.comparison.groups import selected_rules
from kapbench_leaderboard.comparison.resamples import Resamples, key, stem
from kapbench_leaderboard.tables.corruption_text import MEAN, corruption_text

COLUMNS = (
    "dataset",
    "split",
    "model",
    "rule",
    "metric",
    "alpha",
    "corruption",
    "severity",
    "clean",
    "corrupted",
    "drop",
    "low",
    "high",
    "p",
)


@dataclass(frozen=True)
class _Family:
    """The clean run of a model and its corrupted ones, by name and severity."""

    clean: RunCard
    of_clean: Resamples
    corrupted: dict[tuple[str, int], Resamples]


def corruption_drops(
    runs: Sequence[Run], *, rules: Sequence[str] | None, alpha: float, runs_root: Path
) -> pd.DataFrame:
    """`kapbench.corruption_drops`."""
    chosen = Chosen.of(runs, runs_root)
    rules = chosen.known_rules(rules, alpha)
    rows = [
        row
        for family in _families(chosen, rules, alpha)
        for rule in selected_rules(family.clean, rules)
        if alpha in rule.alphas
        for row in _rows(family, rule, rules, alpha)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def drops_text(runs: Sequence[Run], *, rules: Sequence[str] | None, alpha: float) -> str:
    """The frame as a table for a terminal of 80 columns."""
    why_none: dict[tuple[str, str], str] = {}
    for card in Chosen.of(runs, Path()).cards.values():
        data = card.dataset
        fewest = min(data.images_by_category.values(), default=FEWEST_IMAGES)
        why_none[data.name, data.split] = (
            f"a category has fewer than {FEWEST_IMAGES} images"
            if fewest < FEWEST_IMAGES
            else "some resamples have no score"
        )
    drops = corruption_drops(runs, rules=rules, alpha=alpha, runs_root=Path())
    return corruption_text(drops, why_none)


def _families(chosen: Chosen, rules: Sequence[str] | None, alpha: float) -> Iterator[_Family]:
    """KapbenchError where a corrupted run has no clean one, or no run is corrupted."""
    members: dict[tuple[str, ...], dict[tuple[str, int] | None, tuple[Path, RunCard]]] = {}
    for place, card in chosen.cards.items():
        model = card.model
        same = (model.name, model.revision, key(without_corruption(card), rules, alpha))
        members.setdefault(same, {})[corruption_in(card)] = place, card
    families = [family for family in members.values() if set(family) != {None}]
    if not families:
        raise KapbenchError(
            "No run is on corrupted images",
            place=f"{len(chosen.cards)} runs",
            fix="Run kapbench sweep with --corrupt NAME:SEVERITY",
        )
    for family in families:
        if None not in family:
            name = next(iter(family.values()))[1].model.name
            raise KapbenchError(
                f"The corrupted runs of {name} have no clean run on the same pairs by the same rules",
                place=name,
                fix="Add the run without --corrupt",
            )
        resamples = {
            corruption: chosen.resamples(place, card, rules, alpha)
            for corruption, (place, card) in family.items()
        }
        clean = family[None][1]
        own = resamples.pop(None)
        # A corrupted run's key is the clean one's but for the corruption in the revision.
        same_key = {c: replace(r, key=own.key) for c, r in resamples.items() if c is not None}
        yield _Family(clean, own, dict(sorted(same_key.items(), key=_order)))


def _order(item: tuple[tuple[str, int], Resamples]) -> tuple[int, int]:
    (name, severity), _ = item
    return NAMES.index(name), severity


def _rows(
    family: _Family, rule: RuleCard, rules: Sequence[str] | None, alpha: float
) -> Iterator[dict[str, Any]]:
    column = stem(rule, selected_rules(family.clean, rules))
    data, clean = family.clean.dataset, family.of_clean.mean(column).value
    severities = sorted({severity for _, severity in family.corrupted})
    sets = {at: [resamples] for at, resamples in family.corrupted.items()}
    for severity in severities:
        alike = [r for (_, s), r in family.corrupted.items() if s == severity]
        if len(alike) > 1:
            sets[MEAN, severity] = alike
    for (name, severity), several in sets.items():
        drop = relative_drop(family.of_clean, several, column)
        yield {
            "dataset": data.name,
            "split": data.split,
            "model": family.clean.model.name,
            "rule": rule.name,
            "metric": rule.metric,
            "alpha": alpha,
            "corruption": name,
            "severity": severity,
            "clean": clean,
            "corrupted": clean * (1 - drop.value),
            "drop": drop.value,
            "low": drop.low,
            "high": drop.high,
            "p": drop.p,
        }
