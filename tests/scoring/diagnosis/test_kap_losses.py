"""Losses of records: types by hand, the score they explain, averages per pair, standard errors."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import drawn, estimate, records

from kapbench.scoring.bootstrap import Replicates, Resampling, interval, replicates
from kapbench.scoring.diagnosis.diagnose import Diagnosis, diagnose
from kapbench.scoring.diagnosis.kap_losses import kap_losses
from kapbench.scoring.diagnosis.loss_types import TYPES, typed_samples
from kapbench.scoring.diagnosis.places import PLACES
from kapbench.scoring.metrics import kap
from kapbench.scoring.rules import KapRule, PckRule, load_rule
from kapbench.scoring.splits import select

seeds = st.integers(0, 2**32 - 1)
quick = examples(4)
KAP_RULES = [
    rule
    for name in ("kap-cvpr24", "kap-v1", "kap-neurips25", "kap-neurips25-fixed")
    if isinstance(rule := load_rule(name), KapRule)
]
PCK = load_rule("pck-sd-dino")
assert isinstance(PCK, PckRule)


def of_records(rows, rule: KapRule, **options) -> Diagnosis:
    resampling = Resampling.of(rows, n_resamples=20)
    return diagnose(rows, rule, PCK, PCK.decode, 0.10, resampling, **options)


@pytest.mark.parametrize("rule", KAP_RULES, ids=lambda rule: rule.name)
@quick
@given(seeds)
def test_the_score_and_its_losses_add_up_to_one(rule, seed):
    rows = records(drawn(seed, 8), [*KAP_RULES, PCK])
    for split in ("all", "symmetric", "viewpoint=1"):
        result = of_records(rows, rule, split=split)
        average = rule.headline[0]
        score = kap(rows, rule, 0.10, average, select(rows, split)).by_category().values
        np.testing.assert_allclose(result.kap.score, score, atol=1e-6)
        np.testing.assert_allclose(result.kap.share.sum(axis=1), 1 - score, atol=1e-6)


@quick
@given(seeds)
def test_the_losses_of_keypoints_are_those_of_their_rows_alone(seed):
    rows = records(drawn(seed, 8), [*KAP_RULES, PCK])
    result = of_records(rows, KAP_RULES[0], by_keypoint=True)
    for number, (category, keypoint) in enumerate(result.groups):
        alone = (rows["category"] == category) & (rows["keypoint"] == keypoint)
        score = estimate(
            rows[alone.to_numpy()].reset_index(drop=True), KAP_RULES[0], 0.10, "category"
        ).values
        place = list(rows["category"].cat.categories).index(category)
        np.testing.assert_allclose(result.kap.score[number], score[place], atol=1e-6)


@quick
@given(seeds)
def test_places_of_matches_add_up_to_one_and_the_correct_ones_are_pck(seed):
    rows = records(drawn(seed, 8), [*KAP_RULES, PCK])
    result = of_records(rows, KAP_RULES[0])
    shares = {name: each.replicates.value for name, each in result.places.items()}
    assert set(shares) <= set(PLACES)
    np.testing.assert_allclose(shares["correct"], estimate(rows, PCK, 0.10, "point").values)
    total = np.sum(list(shares.values()), axis=0)
    np.testing.assert_allclose(total[~np.isnan(total)], 1)


@quick
@given(seeds)
def test_a_pairs_integer_weight_is_that_many_copies_of_its_rows(seed):
    rows = records(drawn(seed, 6), [*KAP_RULES, PCK])
    samples = typed_samples(rows, KAP_RULES[0], PCK, PCK.decode, 0.10)
    pair = rows["pair_id"].cat.codes.to_numpy().astype(int)
    category = rows["category"].cat.codes.to_numpy().astype(int)
    weights = np.random.default_rng(seed).integers(1, 4, 6)
    copies = np.repeat(np.arange(len(pair)), weights[pair])
    weighted = kap_losses(
        samples, category, np.arange(2), pair, pooled=True, weights=weights.astype(float)
    )
    repeated = kap_losses(
        samples[copies], category[copies], np.arange(2), pair[copies], pooled=True
    )
    np.testing.assert_allclose(weighted.share, repeated.share, atol=1e-12)
    np.testing.assert_allclose(weighted.gain, repeated.gain, atol=1e-12)


def test_standard_errors_to_first_order_are_those_of_exact_resampling():
    """Of KAP, whose exact resamples are known: 1 − the sum of the shares. Within a tenth."""
    rows = records(drawn(3, 400, n_keypoints=4, n_scores=50, n_images=30), [*KAP_RULES, PCK])
    resampling = Resampling.of(rows, n_resamples=400)
    rule = KAP_RULES[0]
    result = diagnose(rows, rule, PCK, PCK.decode, 0.10, resampling)
    shares = [share.replicates for share in result.shares.values()]
    assert len(shares) == len(TYPES)
    linear = Replicates(
        result.kap.score,
        1 - sum(each.products for each in shares),
        1 - sum(each.sums for each in shares),
        resampling.n_images,
    )
    exact = replicates(kap(rows, rule, 0.10, "category"), resampling)
    weights = result.weights
    errors = [interval(each, weights, "plain").error for each in (linear, exact)]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)
    np.testing.assert_allclose(linear.variances() ** 0.5, exact.variances() ** 0.5, rtol=0.1)


@pytest.mark.parametrize("rule", [KAP_RULES[0], KAP_RULES[2]], ids=lambda rule: rule.name)
def test_mean_replicates_are_near_the_values(rule):
    rows = records(drawn(5, 300, n_images=30), [*KAP_RULES, PCK])
    result = diagnose(rows, rule, PCK, PCK.decode, 0.10, Resampling.of(rows, n_resamples=100))
    for each in (q.replicates for q in (*result.gains.values(), *result.shares.values())):
        spread = np.sqrt(each.sums.var(axis=0))
        assert (np.abs(each.sums.mean(axis=0) - each.value) <= spread + 1e-9).all()
