"""Where one run is better than another, and the samples of KAP by kind."""

import numpy as np
import pytest

from kapbench.scoring.metrics import kap_samples
from kapbench_leaderboard.figures.pairs_of_runs import better_pairs
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sample_scores import kinds_of

KEY = "error_px@sd-dino"


@pytest.fixture(scope="module")
def run(dots_runs) -> RunView:
    return RunView.load(dots_runs[1])


def with_errors(run: RunView, right: dict[str, int]) -> RunView:
    """Of each pair so many keypoints are right, the first ones; of other pairs none."""
    records = run.records.copy()
    visible = records["target_visible"].to_numpy(bool)
    rank = records[visible].groupby("pair_id", observed=True).cumcount()
    n_right = records.loc[visible, "pair_id"].astype(str).map(right).fillna(0)
    records.loc[visible, KEY] = np.where(rank < n_right, 1.0, 50.0)
    return RunView(run.card, records, run.kap, run.pck)


def test_pairs_with_the_largest_difference_come_first(run):
    one = with_errors(run, {"dot:0-1": 3, "dot:1-0": 2, "dot:2-1": 1})
    other = with_errors(run, {"dot:0-1": 1, "dot:1-0": 1, "dot:2-1": 2})
    better = better_pairs(one, other, 5)
    assert [(p.pair_id, p.better, p.worse) for p in better] == [
        ("dot:0-1", 3, 1),
        ("dot:1-0", 2, 1),
    ]
    assert [p.pair_id for p in better_pairs(other, one, 5)] == ["dot:2-1"]
    assert [p.pair_id for p in better_pairs(one, other, 1)] == ["dot:0-1"]
    assert better_pairs(one, one, 5) == []


@pytest.mark.parametrize("rule", ["kap-cvpr24", "kap-neurips25"])
def test_kinds_hold_each_sample_once(dots_runs, rule):
    run = RunView.load(dots_runs[1], rules=(rule,))
    kinds = kinds_of(run)
    samples = kap_samples(run.records, run.kap_rule, run.at(run.kap_rule))
    every = np.sort(np.concatenate([kind.scores for kind in kinds]))
    np.testing.assert_array_equal(every, np.sort(samples.score.astype(np.float64)))
    positive = [len(kind.scores) for kind in kinds if kind.name.startswith("+")]
    assert sum(positive) == samples.label.sum()
    assert ("+ absent, at a corner" in {k.name for k in kinds}) == (rule == "kap-neurips25")
