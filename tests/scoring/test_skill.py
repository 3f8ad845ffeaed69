"""KAP skill: 0 at chance, 1 at the oracle; against a slow reference, and on the accepted entries."""

import numpy as np
import pandas as pd
import pytest
from committed_entries import committed_records
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import drawn, estimate, pair, records
from sklearn.metrics import average_precision_score

from kapbench.models.reference_models import Oracle
from kapbench.scoring.bootstrap import Resampling, replicates
from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.grid_geometry import anchor_points
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import load_rule
from kapbench.scoring.schema import Needs
from kapbench.scoring.score_table import estimator, score_requests, score_table
from kapbench.scoring.skill import kap_skill
from kapbench.scoring.splits import TWIN_SPLIT

RULES = [load_rule(n) for n in ("kap-cvpr24", "kap-v1", "kap-neurips25", "kap-neurips25-fixed")]
AVERAGES = [(rule, average) for rule in RULES for average in rule.averages]
seeds = st.integers(0, 2**32 - 1)
quick = examples(10)
slow = examples(4)
of_every_average = pytest.mark.parametrize(
    ("rule", "average"), AVERAGES, ids=lambda v: getattr(v, "name", v)
)


def of_oracle(cases, rule) -> pd.DataFrame:
    parts = []
    for made, _ in cases:
        size = made.target.size
        maps = Oracle().match_pair(made, lambda g, s=size: anchor_points(rule.geometry, g, s))
        parts.append(pair_columns(made, maps, Needs.of([rule])))
    return table(parts)


def precisions(rows, rule, alpha, average, score=None) -> dict[str, float]:
    """By category, with scikit-learn, one category or pair at a time."""
    samples = kap_samples(rows, rule, alpha)
    values = samples.score if score is None else np.full(len(samples.score), score)
    frame = pd.DataFrame(
        {
            "label": samples.label,
            "score": values,
            "category": rows["category"].to_numpy(str)[samples.row],
            "pair": rows["pair_id"].to_numpy(str)[samples.row],
        }
    )
    out = {}
    for category, of_category in frame.groupby("category"):
        parts = [g for _, g in of_category.groupby("pair")] if average == "pair" else [of_category]
        each = [average_precision_score(p.label, p.score) for p in parts if p.label.any()]
        out[str(category)] = float(np.mean(each)) if each else np.nan
    return out


@slow
@given(seeds, st.integers(2, 6), st.sampled_from([0.10, 0.01]))
@of_every_average
def test_skill_is_the_share_of_the_way_from_chance_to_the_oracle(
    rule, average, seed, n_pairs, alpha
):
    cases = drawn(seed, n_pairs, cells=60)
    rows, best = records(cases, [rule]), of_oracle(cases, rule)
    skills = estimate(rows, rule, alpha, average, metric="kap_skill")
    kap = precisions(rows, rule, alpha, average)
    chance = precisions(rows, rule, alpha, average, score=0.0)
    ceiling = precisions(best, rule, alpha, average)
    for category, value in zip(rows["category"].cat.categories, skills.values, strict=True):
        room = ceiling[category] - chance[category]
        if np.isnan(room) or room < 1e-6:
            assert np.isnan(value)
        else:
            assert value == pytest.approx((kap[category] - chance[category]) / room, abs=1e-6)


@slow
@given(seeds, st.integers(2, 6), st.sampled_from([0.10, 0.01]))
@of_every_average
def test_the_oracle_has_skill_one_and_a_score_that_ties_none(rule, average, seed, n_pairs, alpha):
    cases = drawn(seed, n_pairs, cells=60)
    constant = records([(made, np.ones_like(maps)) for made, maps in cases], [rule])
    for rows, expected in ((of_oracle(cases, rule), 1.0), (constant, 0.0)):
        values = estimate(rows, rule, alpha, average, metric="kap_skill").values
        if rule.empty == "zero" and expected == 0:
            continue  # a sample of score 0 where no cell lies inside: not all samples tie
        np.testing.assert_allclose(values[~np.isnan(values)], expected, atol=1e-9)


def test_skill_in_the_twin_split_starts_at_one_half():
    made = pair([(1, 1)] * 3, [(420, 210), None, (1, 1)], twins=[1, 0, 2])
    rule = load_rule("kap-v1")
    for scores, kap in (([2, 1, 0], 1.0), ([1, 1, 0], 0.5)):
        maps = np.repeat(np.array(scores, float), 16).reshape(3, 4, 4)
        rows = records([(made, maps)], [rule])
        assert estimate(rows, rule, 0.10, "category", split=TWIN_SPLIT).values[0] == kap
        skill = estimate(rows, rule, 0.10, "category", metric="kap_skill", split=TWIN_SPLIT)
        assert skill.values[0] == 2 * kap - 1


def test_without_a_positive_there_is_no_skill():
    made = pair([(1, 1), (2, 2)], [None, None])
    rows = records([(made, np.arange(32, dtype=float).reshape(2, 4, 4))], RULES)
    for rule in (RULES[0], RULES[1], RULES[3]):
        assert np.isnan(estimate(rows, rule, 0.10, "category", metric="kap_skill").values[0])
    # As released, absent keypoints are positives and negatives: even the oracle cannot order them.
    assert np.isnan(estimate(rows, RULES[2], 0.10, "category", metric="kap_skill").values[0])


@quick
@given(seeds, st.integers(1, 6))
@of_every_average
def test_an_integer_weight_is_a_repeated_pair(rule, average, seed, n_pairs):
    cases = drawn(seed, n_pairs)
    rows = records(cases, [rule])
    rng = np.random.default_rng(seed)
    times = rng.integers(0, 4, len(cases))
    copies = [
        (made.__class__(f"{made.pair_id}#{i}", *_rest(made)), maps)
        for (made, maps), n in zip(cases, times, strict=True)
        for i in range(n)
    ]
    if not copies:
        return
    repeated = records(copies, [rule])
    made = estimator(rows, rule, 0.10, average, metric="kap_skill")
    found = dict(
        zip(
            rows["category"].cat.categories,
            made.at(times[:, None].astype(np.float32)).values[0],
            strict=True,
        )
    )
    expected = estimate(repeated, rule, 0.10, average, metric="kap_skill").values
    for category, value in zip(repeated["category"].cat.categories, expected, strict=True):
        assert found[category] == pytest.approx(value, abs=1e-5, nan_ok=True)


def _rest(made):
    return made.source, made.target, made.size, made.groups, made.twins


@quick
@given(seeds)
@of_every_average
def test_replicates_come_from_those_of_the_kap(rule, average, seed):
    rows = records(drawn(seed, 12), [rule])
    resampling = Resampling.of(rows, n_resamples=20)
    skill = kap_skill(rows, rule, 0.10, average)
    derived = skill.replicates(replicates(skill.kap, resampling), resampling)
    directly = replicates(skill, resampling)
    np.testing.assert_array_equal(derived.value, directly.value)
    np.testing.assert_allclose(derived.products, directly.products, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(derived.sums, directly.sums, rtol=1e-4, atol=1e-4)


def test_every_kap_has_its_skill_in_the_table():
    rows = records(drawn(1, 60, n_images=10), RULES)
    steps: list[int] = []
    scores = score_table(
        rows, RULES, resampling=Resampling.of(rows, n_resamples=50), advance=steps.append
    )
    assert sum(steps) == len(score_requests(RULES))
    frame = pd.DataFrame([s.model_dump() for s in scores])
    keys = ["rule", "average", "alpha", "split", "category"]
    kap, skill = (frame[frame.metric == m].set_index(keys) for m in ("kap", "kap_skill"))
    assert not skill.index.has_duplicates
    assert set(kap.index) == set(skill.index)
    skill = skill.loc[kap.index]
    np.testing.assert_array_equal(kap["n"], skill["n"])
    with_interval = skill[skill["low"].notna()]
    assert len(with_interval)
    assert (with_interval["low"] <= with_interval["value"] + 1e-12).all()
    assert (with_interval["high"] >= with_interval["value"] - 1e-12).all()
    assert (with_interval["high"] <= 1).all()


@pytest.mark.parametrize(
    ("model", "cvpr24", "v1"),
    [
        ("geoaware.supervised.lite0", 10.2, 18.3),
        ("sphere.lite0", 2.2, 7.6),
        ("geoaware.zeroshot.lite0", -0.4, 5.6),
        ("lite0", -1.6, 4.1),
        ("constant", -2.1, -1.8),
        ("asic.lite0", -22.0, -21.9),
        ("random", -28.4, -28.4),
    ],
)
def test_skill_of_the_accepted_entries(model, cvpr24, v1):
    rows = committed_records("spair", model)
    for name, expected in (("kap-cvpr24", cvpr24), ("kap-v1", v1)):
        values = estimate(rows, load_rule(name), 0.10, "category", metric="kap_skill")
        assert 100 * values.over_categories("mean") == pytest.approx(expected, abs=0.05)
