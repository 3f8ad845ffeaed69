"""The columns that records must have: those that scoring itself would write for a run's rules."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kapbench.running.results import RunCard
from kapbench.scoring.build_records import pair_columns
from kapbench.scoring.records import TEXT, Columns, Needs
from kapbench.scoring.rules import load_rule
from kapbench.types import Grid, Keypoints, Pair, SimilarityMap, View

_NUMBERS = "bif"  # kinds of NumPy's types


def wrong_columns(run: RunCard, records: pd.DataFrame) -> list[str]:
    """Columns that records lack, that no run has, or that have another type, in words."""
    expected = _columns([rule.name for rule in run.rules], run.model.supervision == "keypoints")
    missing = [f"{name} is missing" for name in expected if name not in records]
    unknown = [f"{name} is unknown" for name in records if name not in expected]
    not_numbers = [
        f"{name} does not hold numbers"
        for name in records
        if name in expected and name not in TEXT and records[name].dtype.kind not in _NUMBERS
    ]
    return [*missing, *unknown, *not_numbers]


def _columns(rules: Sequence[str], supervised: bool) -> Columns:
    """Of one pair of one keypoint that is nowhere."""
    needs = Needs.of([load_rule(name) for name in rules], supervised)
    at = Keypoints(np.zeros((1, 2)), np.array([True]))
    view = View("image", "category", (2, 2), (0.0, 0.0, 2.0, 2.0), at)
    pair = Pair("pair", view, view, 2.0, np.array([-1]), np.array([0]))
    maps = SimilarityMap(np.zeros((1, 2, 2), np.float32), Grid.stretched((2, 2), 2, 2), at.xy)
    return pair_columns(pair, maps, needs, {d.key: np.zeros((1, 2)) for d in needs.decodes})
