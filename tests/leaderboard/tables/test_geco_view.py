"""`compare --by geco` shows scores that a run has."""

import pytest

from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import score_requests
from kapbench_leaderboard.tables.score_keys import SPLITS


@pytest.mark.parametrize(("kind", "rule"), [("kap", "kap-v1"), ("pck", "pck-v1")])
def test_every_column_is_scored(kind, rule):
    scored = {(request.metric, request.split) for request in score_requests([load_rule(rule)])}
    shown = {(key.metric or kind, key.split) for key in SPLITS["geco"][kind]}
    assert shown <= scored
    assert {split for metric, split in shown if metric == kind} == {"n11", "n10", "n1x"}
