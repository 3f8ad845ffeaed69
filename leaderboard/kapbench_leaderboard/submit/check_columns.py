"""The columns that records must have: those that its version of scoring wrote for a run's rules."""

import pandas as pd

from kapbench.running.results import RunCard
from kapbench.scoring.schema import SINCE_4, SINCE_5, TEXT, Column, Needs

_NUMBERS = "bif"  # kinds of NumPy's types


def lacks_columns_since_4(run: RunCard, records: pd.DataFrame) -> bool:
    """Whether records are those of a scoring version below 4: without the columns that it added."""
    expected = _expected(run)
    missing = {name for name in expected if name not in records}
    return bool(missing) and missing == {n for n, column in expected.items() if column in SINCE_4}


def wrong_columns(run: RunCard, records: pd.DataFrame) -> list[str]:
    """Columns that records lack, that no run has, or that have another type, in words."""
    expected = _expected(run)
    missing = [f"{name} is missing" for name in expected if name not in records]
    unknown = [f"{name} is unknown" for name in records if name not in expected]
    not_numbers = [
        f"{name} does not hold numbers"
        for name in records
        if name in expected and name not in TEXT and records[name].dtype.kind not in _NUMBERS
    ]
    return [*missing, *unknown, *not_numbers]


def _expected(run: RunCard) -> dict[str, Column]:
    """Those of the run's version of scoring, from 4 on."""
    rules = [run.rule(card.name) for card in run.rules]
    columns = Needs.of(rules, run.model.supervised, run.model.window).columns
    later = SINCE_5 if run.provenance.scoring < 5 else ()
    return {name: column for name, column in columns.items() if column not in later}
