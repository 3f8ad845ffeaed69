"""The columns that records must have: those that scoring itself would write for a run's rules."""

import pandas as pd

from kapbench.running.results import RunCard
from kapbench.scoring.schema import TEXT, Needs

_NUMBERS = "bif"  # kinds of NumPy's types


def wrong_columns(run: RunCard, records: pd.DataFrame) -> list[str]:
    """In words, what records lack, have beyond what was asked for, or have as another type."""
    rules = [run.rule(card.name) for card in run.rules]
    expected = Needs.of(rules, run.model.supervised).columns
    lacking = [f"no {name}" for name in expected if name not in records]
    beyond = [f"{name} is none of them" for name in records if name not in expected]
    strange = [
        f"{name} holds no numbers"
        for name in records
        if name in expected and name not in TEXT and records[name].dtype.kind not in _NUMBERS
    ]
    return [*lacking, *beyond, *strange]
