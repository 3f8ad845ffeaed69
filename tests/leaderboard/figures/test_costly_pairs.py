"""What errors of a type cost in a pair, against scores of the whole run with these errors fixed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapbench.errors import KapbenchError
from kapbench.scoring.average_precision import average_precision
from kapbench.scoring.diagnosis.loss_types import TYPES, typed_samples
from kapbench.scoring.diagnosis.shapley import RowSamples
from kapbench.scoring.metrics import kap
from kapbench_leaderboard.figures.costly_pairs import costly_pairs, gains
from kapbench_leaderboard.figures.run_view import RunView

RULES = ("kap-cvpr24", "kap-v1", "kap-neurips25")


def scattered(run: RunView, seed: int = 0) -> RunView:
    """Scores, errors and visibility at random: errors of every type that the records can show."""
    records = run.records.copy()
    rng, n = np.random.default_rng(seed), len(records)
    visible = rng.random(n) < 0.6
    records["target_visible"] = visible
    records["twin_visible"] = rng.random(n) < 0.5
    error_px, twin_px = rng.choice([1, 8, 40], n).astype(float), rng.choice([1, 40], n)
    for name in records.columns:
        if name.startswith(("inside@", "outside@", "best@")):
            records[name] = rng.choice(np.linspace(0.1, 0.9, 9), n).astype(np.float32)
        elif name.startswith("map_m"):
            records[name] = np.float32("max" in name)
        elif name.startswith("error_px@"):
            records[name] = np.where(visible, error_px, np.nan)
        elif name.startswith("twin_error_px@"):
            records[name] = np.where(records["twin_visible"], twin_px, np.nan)
    return RunView(run.card, records, run.kap, run.pck)


@pytest.fixture(scope="module", params=RULES)
def run(request, dots_runs) -> RunView:
    return scattered(RunView.load(dots_runs[1], rules=(request.param,)))


def samples_of(run: RunView) -> RowSamples:
    return typed_samples(run.records, run.kap_rule, run.pck_rule, run.decode, 0.1)


def score(run: RunView, samples: RowSamples) -> float:
    """KAP by the rule's own average, each average precision from its samples."""
    average, over = run.kap_rule.headline
    pair, category = (run.records[c].cat.codes.to_numpy() for c in ("pair_id", "category"))
    pool = category if average == "category" else pair
    scores = np.concatenate([samples.positive, samples.negative])
    known = ~np.isnan(scores)
    label = np.repeat([True, False], len(pool))[known]
    groups = np.concatenate([pool, pool]).astype(np.int64)[known]
    each = average_precision(label, scores[known], groups, int(pool.max()) + 1)
    if average == "pair":
        of_pair = pd.Series(category).groupby(pair).first()
        each = pd.Series(each).groupby(of_pair).mean().to_numpy()
    weights = kap(run.records, run.kap_rule, 0.1, average).by_category().weights(over)
    return float(weights @ each)


def fixed(samples: RowSamples, rows: np.ndarray) -> RowSamples:
    return RowSamples(
        np.where(rows, samples.fixed, samples.positive),
        samples.fixed,
        np.where(rows & ~np.isnan(samples.negative), -np.inf, samples.negative),
        samples.type,
    )


@pytest.mark.parametrize("loss_type", TYPES)
def test_a_pair_costs_what_the_run_gains_when_its_errors_are_fixed(run, loss_type):
    samples = samples_of(run)
    errors = samples.type == TYPES.index(loss_type)
    if not errors.any():
        with pytest.raises(KapbenchError, match="No pair has an error of the type"):
            costly_pairs(run, loss_type, 3)
        return
    names = run.records["pair_id"].to_numpy(str)
    found = costly_pairs(run, loss_type, 1000)
    assert {pair.pair_id for pair in found} == set(names[errors])
    now = score(run, samples)
    for pair in found:
        rows = errors & (names == pair.pair_id)
        assert pair.cost == pytest.approx(score(run, fixed(samples, rows)) - now, abs=1e-9)
        keypoints = run.records["keypoint"].to_numpy()
        assert sorted(pair.keypoints) == sorted(keypoints[rows])
        alone = [
            round(score(run, fixed(samples, rows & (keypoints == k))) - now, 9)
            for k in pair.keypoints
        ]
        assert alone == sorted(alone, reverse=True)


def test_most_costly_first_equal_ones_by_name(run):
    found = costly_pairs(run, "absent, other", 1000)
    order = [(-round(pair.cost, 9), pair.pair_id) for pair in found]
    assert [o[0] for o in order] == sorted(o[0] for o in order)
    shuffled = run.records.sample(frac=1, random_state=1).reset_index(drop=True)
    again = RunView(run.card, shuffled, run.kap, run.pck)
    assert costly_pairs(again, "absent, other", 5) == found[:5]


def test_equal_costs_are_ordered_by_name(run):
    records = run.records.copy()
    for name in records.columns:
        if name.startswith(("inside@", "outside@", "best@")):
            records[name] = np.float32(0.5)
    records["target_visible"] = (records["keypoint"] > 0).to_numpy()
    records["twin_visible"] = False
    tied = RunView(run.card, records, run.kap, run.pck)
    found = costly_pairs(tied, "absent, other", 1000)
    order = [(-round(pair.cost, 12), pair.pair_id) for pair in found]
    assert order == sorted(order)
    assert len({cost for cost, _ in order}) < len(order)


def test_a_category_without_a_positive_sample_has_no_cost(dots_runs):
    run = RunView.load(dots_runs[1], rules=("kap-v1",))
    records = run.records.copy()
    hidden = (records["category"] == "dot").to_numpy(bool)
    records.loc[hidden, "target_visible"] = False
    for name in records.columns:
        if name.startswith("inside@"):
            records.loc[hidden, name] = np.nan
    undefined = RunView(run.card, records, run.kap, run.pck)
    found = costly_pairs(undefined, "absent, other", 1000)
    assert found
    assert all(pair.pair_id.startswith("spot:") for pair in found)


def test_an_unknown_type_is_refused(run):
    with pytest.raises(KapbenchError, match="Unknown type of error 'mirror'") as caught:
        costly_pairs(run, "mirror", 3)
    assert "mirror counterpart" in (caught.value.fix or "")


def cell():
    return st.one_of(st.none(), st.integers(0, 4))


@given(
    st.lists(
        st.tuples(cell(), st.integers(0, 4), cell(), st.booleans(), st.integers(0, 3)),
        min_size=1,
        max_size=30,
    )
)
def test_gains_are_differences_of_average_precisions(rows):
    positive, raised, negative = (
        np.array([np.nan if r[i] is None else r[i] for r in rows], float) for i in range(3)
    )
    samples = RowSamples(
        positive, np.fmax(positive, raised) + 0 * positive, negative, np.zeros(len(rows), np.int8)
    )
    errors, part = np.array([r[3] for r in rows]), np.array([r[4] for r in rows])
    parts, found = gains(samples, errors, part)
    assert parts.tolist() == sorted(set(part[errors].tolist()))

    def precision(one: RowSamples) -> float:
        scores = np.concatenate([one.positive, one.negative])
        known = ~np.isnan(scores)
        label = np.repeat([True, False], len(rows))[known]
        if label.any() and label.all():  # repairs may leave no negative; KAP has no score there
            return 1.0
        return float(average_precision(label, scores[known])[0])

    for number, gain in zip(parts, found, strict=True):
        after = precision(fixed(samples, errors & (part == number)))
        assert gain == pytest.approx(after - precision(samples), abs=1e-12, nan_ok=True)
