"""The columns that records must have: those that scoring itself would write for a run's rules."""

import pandas as pd

from kapbench.running.results import RunCard
from kapbench.scoring.schema import TEXT, Needs

_NUMBERS = "bif"  # kinds of NumPy's types


def wrong_columns(run: RunCard, records: pd.DataFrame) -> list[str]:
    """Columns that records lack, that no run has, or that have another type, in words."""
    rules = [run.rule(card.name) for card in run.rules]
    expected = Needs.of(rules, run.model.supervised, run.model.window).columns
    missing = [f"{name} is missing" for name in expected if name not in records]
    unknown = [f"{name} is unknown" for name in records if name not in expected]
    not_numbers = [
        f"{name} does not hold numbers"
        for name in records
        if name in expected and name not in TEXT and records[name].dtype.kind not in _NUMBERS
    ]
    return [*missing, *unknown, *not_numbers]
