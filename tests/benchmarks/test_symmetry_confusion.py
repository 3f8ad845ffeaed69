"""Symmetry confusion by visibility, computed by hand and compared with stored scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_cases import drawn, estimate, pair, peaks, records
from symmetry_confusion import KINDS, confusion

from kapbench.running.records_file import StoredRecords
from kapbench.scoring.rules import load_rule

RULE = load_rule("pck-v1")
RESULTS = Path(__file__).parents[2] / "leaderboard" / "results"


def value(rows: pd.DataFrame, kind: str) -> float:
    return float(confusion(rows, RULE, 0.10, kind).by_category().values[0])


def test_by_hand():
    # Keypoints 0 and 1 are twins, 2 and 3 too. The target shows 0, 1 and 3. Cell 6's centre is
    # (525, 315), cell 9's (315, 525); T = 100: hits lie within 10 px.
    target = [(525, 315), (315, 525), None, (735, 735)]
    two_images = pair([(1, 1), (2, 2), (3, 3), (4, 4)], target, size_px=100, twins=[1, 0, 3, 2])
    # 0 lands on its twin, 1 on itself, 2 (absent) on its twin; 3's twin is absent: it does not count.
    rows = records([(two_images, peaks({9: 1}, {9: 1}, {15: 1}, {15: 1}))], [RULE])
    assert value(rows, "visible") == 1 / 2
    assert value(rows, "absent") == 1.0
    assert value(rows, "of_hits") == 1 / 2
    # 1 misses: there are fewer hits, all of them on the twin; the share of keypoints is the same.
    rows = records([(two_images, peaks({9: 1}, {0: 1}, {0: 1}, {15: 1}))], [RULE])
    assert [value(rows, kind) for kind in KINDS] == [1 / 2, 0.0, 1.0]


def test_a_prediction_near_both_counts_as_correct():
    two_images = pair([(1, 1), (2, 2)], [(525, 315), (530, 315)], size_px=100, twins=[1, 0])
    rows = records([(two_images, peaks({6: 1}, {6: 1}))], [RULE])
    assert [value(rows, kind) for kind in ("visible", "of_hits")] == [0.0, 0.0]


def test_without_a_hit_there_is_no_share_of_hits():
    two_images = pair([(1, 1), (2, 2)], [(525, 315), (315, 525)], size_px=100, twins=[1, 0])
    rows = records([(two_images, peaks({0: 1}, {0: 1}))], [RULE])
    assert value(rows, "visible") == 0.0
    assert np.isnan(value(rows, "of_hits"))


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_visible_and_absent_are_parts_of_the_stored_confusion(seed):
    rows = records(drawn(seed, 6), [RULE])
    stored = estimate(rows, RULE, 0.10, "point", metric="symmetry_confusion")
    parts = [confusion(rows, RULE, 0.10, kind).by_category() for kind in ("visible", "absent")]
    total = sum(np.nan_to_num(p.values) * p.n for p in parts)
    assert sum(p.n for p in parts).tolist() == stored.n.tolist()
    assert np.nan_to_num(stored.values) * stored.n == pytest.approx(total)


@pytest.mark.parametrize("model", ["dve.lite0", "sphere.lite0"])
def test_the_parts_of_a_committed_entry_are_what_it_stores(model):
    [path] = (RESULTS / "synthetic" / model).glob("*.json")
    run = json.loads(path.read_text(encoding="utf-8"))["run"]
    rows = StoredRecords(path.with_suffix(".parquet"), run["dataset"]["categories"]).table()
    wanted = ("pck-sd-dino", "symmetry_confusion", "point", 0.10, "all")
    keys = ("rule", "metric", "average", "alpha", "split")
    stored = {s["category"]: s for s in run["scores"] if tuple(s[k] for k in keys) == wanted}
    rule = load_rule("pck-sd-dino")
    visible, absent = (confusion(rows, rule, 0.10, k).by_category() for k in ("visible", "absent"))
    for c, name in enumerate(rows["category"].cat.categories):
        total = np.nansum([p.values[c] * p.n[c] for p in (visible, absent)])
        assert total / (visible.n[c] + absent.n[c]) == pytest.approx(stored[name]["value"])
