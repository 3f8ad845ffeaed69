"""GECO's five splits: by hand, as a partition, and what is scored on them."""

import numpy as np
import pandas as pd
import pytest

from kapbench.scoring.geco_splits import GECO_SPLITS, geco_splits_in
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import score_requests
from kapbench.scoring.splits import TWIN_SPLIT, select

# keypoint, twin, target shows the keypoint, target shows the twin, split
ROWS = [
    (0, 1, True, True, "n11"),
    (1, 0, True, False, "n10"),
    (0, 1, False, True, "n01"),
    (1, 0, False, False, "n00"),
    (2, 2, True, True, "n1x"),  # its own twin: it has no counterpart
    (2, 2, True, False, "n1x"),
    (2, 2, False, False, "n00"),
]


@pytest.fixture
def records():
    columns = ("keypoint", "twin", "target_visible", "twin_visible", "split")
    return pd.DataFrame(ROWS, columns=columns)


@pytest.mark.parametrize("split", GECO_SPLITS)
def test_each_row_is_in_the_split_of_what_the_target_shows(records, split):
    np.testing.assert_array_equal(select(records, split), records["split"] == split)


def test_n11_n10_and_n01_are_the_twin_split(records):
    parts = [select(records, split) for split in ("n11", "n10", "n01")]
    np.testing.assert_array_equal(np.sum(parts, axis=0), select(records, TWIN_SPLIT))


def test_no_keypoint_with_a_counterpart_is_no_split(records):
    assert geco_splits_in(records) == GECO_SPLITS
    assert geco_splits_in(records.assign(twin=records["keypoint"])) == ()


@pytest.mark.parametrize(("rule", "metric"), [("kap-v1", "kap"), ("pck-v1", "pck")])
def test_kap_and_pck_are_scored_where_the_keypoint_is_visible(rule, metric):
    """And the matches at the counterpart where that is visible, both from version 5 on."""
    requests = score_requests([load_rule(rule)])
    splits = {r.split for r in requests if r.metric == metric} & {*GECO_SPLITS}
    assert splits == {"n11", "n10", "n1x"}
    confused = {r.split for r in requests if r.metric == "symmetry_confusion"}
    assert confused == ({"all", "n11", "n01"} if metric == "pck" else set())
    earlier = score_requests([load_rule(rule)], scoring=4)
    assert not {r.split for r in earlier} & {*GECO_SPLITS}
