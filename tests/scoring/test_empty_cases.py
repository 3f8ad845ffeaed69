"""Every empty case has an answer: NaN with its n, or the rule's own; never an exception or a 0."""

import numpy as np
import pytest
from scoring_cases import MAP_RULES, estimate, pair, peaks, records

from kapbench.errors import KapbenchError
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import KapRule, load_rule
from kapbench.scoring.score_table import estimator, score_table

KAP_RULES = [r for r in MAP_RULES if isinstance(r, KapRule)]
PCK_RULES = [r for r in MAP_RULES if not isinstance(r, KapRule)]
by_name = {"ids": lambda r: r.name}

ABSENT = (pair([(1, 1), (2, 2)], [None, None], name="absent"), peaks({1: 3}, {2: 1}))
NO_SOURCE = (pair([None, None], [(1, 1), None], name="blind"), np.zeros((0, 4, 4)))
PLAIN = (pair([(1, 1)], [(420, 210)], name="plain"), peaks({6: 2}))


@pytest.mark.parametrize("rule", KAP_RULES, **by_name)
@pytest.mark.parametrize("average", ["category", "pair"])
def test_all_keypoints_absent(rule, average):
    found = estimate(records([ABSENT]), rule, 0.10, average)
    if rule.absent == "corner":  # the published defect: positives at the corner
        assert found.values[0] == 0.5  # corner scores 0, 0 below 1 and 1/3: 2 of 4
        return
    assert np.isnan(found.values[0])
    assert found.n[0] == (2 if average == "category" else 1)  # samples, or pairs
    assert np.isnan(found.over_categories("mean"))


@pytest.mark.parametrize("rule", PCK_RULES, **by_name)
def test_no_mutual_keypoint(rule):
    for average in rule.averages:
        found = estimate(records([ABSENT]), rule, 0.10, average)
        assert np.isnan(found.values[0])
        assert found.n[0] == 0
        assert np.isnan(found.over_categories("mean"))


def test_a_category_without_positives_makes_the_mean_nan_and_its_n_is_known():
    dog = pair([(1, 1)], [None], name="dog", category="dog")
    rows = records([PLAIN, (dog, peaks({1: 1}))])
    for average, n in (("category", [2, 1]), ("pair", [1, 1])):
        for name in ("kap-cvpr24", "kap-neurips25-fixed"):
            found = estimate(rows, load_rule(name), 0.10, average)
            assert found.values[0] == 1.0
            assert np.isnan(found.values[1])
            assert found.n.tolist() == n
            for over in ("mean", "pair_weighted"):
                assert np.isnan(found.over_categories(over))


@pytest.mark.parametrize("average", ["category", "pair"])
def test_the_twin_split_of_a_category_without_a_negative_has_no_score_and_its_n_is_known(average):
    # Each keypoint of the cat has the other as its twin, and the target shows both.
    cat = pair([(1, 1), (2, 2)], [(420, 210), (210, 420)], twins=[1, 0], name="cat")
    dog = pair([(1, 1), (2, 2)], [(420, 210), None], twins=[1, 0], name="dog", category="dog")
    rows = records([(cat, peaks({6: 1}, {9: 1})), (dog, peaks({6: 2}, {1: 1}))])
    made = estimator(rows, load_rule("kap-v1"), 0.10, average, split="absent_with_twin")
    by = made.by_category()
    assert by.n.tolist() == ([2, 2] if average == "category" else [1, 1])
    assert np.isnan(by.values).tolist() == [True, False]
    assert np.isnan(by.over_categories("mean"))
    resampled = made.at(np.array([[1, 2, 0], [1, 0, 3]], np.float32)).values
    assert np.isnan(resampled).tolist() == [[True, False], [True, True], [True, False]]


def test_by_pair_only_pairs_with_a_score_count_and_weigh():
    # Cats: a pair with a score of 1 and one without a positive. Dogs: a pair with 1/2.
    dog = pair([(1, 1), (2, 2)], [(420, 210), None], name="dog", category="dog")
    rows = records([PLAIN, ABSENT, (dog, peaks({6: 2}, {1: 4}))])
    found = estimate(rows, load_rule("kap-neurips25-fixed"), 0.10, "pair")
    assert found.values.tolist() == [1.0, 0.5]
    assert found.n.tolist() == found.n_pairs.tolist() == [1, 1]
    assert found.over_categories("pair_weighted") == 0.75


def test_a_category_that_was_not_asked_is_left_out_of_the_mean():
    # Neither keypoint of the dog has a twin: the symmetric split asks nothing of dogs.
    cat = pair([(1, 1), (2, 2)], [(420, 210)] * 2, twins=[1, 0], name="cat")
    dog = pair([(1, 1), (2, 2)], [(420, 210)] * 2, name="dog", category="dog")
    rows = records([(cat, peaks({6: 1}, {6: 1})), (dog, peaks({6: 1}, {6: 1}))])
    found = estimate(rows, load_rule("pck-v1"), 0.10, "point", split="symmetric")
    assert found.n.tolist() == [2, 0]
    assert np.isnan(found.values[1])
    assert found.over_categories("mean") == found.values[0]


def test_a_pair_without_source_keypoints_adds_no_rows():
    alone, beside = records([NO_SOURCE]), records([NO_SOURCE, PLAIN])
    assert len(alone) == 0
    assert beside["pair_id"].tolist() == ["plain"]
    for rule in MAP_RULES:
        for average in rule.averages:
            assert estimate(beside, rule, 0.10, average).n.sum() in (0, 1, 2)


def test_nothing_at_all_has_no_score():
    rows = records([NO_SOURCE])
    for score in score_table(rows, MAP_RULES):
        assert score.value is None
        assert score.n == 0


@pytest.mark.parametrize("constant", [0.0, -2.0, 7.0])
@pytest.mark.parametrize("rule", KAP_RULES, **by_name)
def test_a_map_without_contrast_ties_everything(rule, constant):
    case = (pair([(1, 1), (2, 2)], [(420, 210), None]), np.full((2, 4, 4), constant))
    found = estimate(records([case]), rule, 0.10, "category")
    n_positive = {"corner": 2}.get(rule.absent, 1)
    assert found.values[0] == pytest.approx(n_positive / found.n[0])


@pytest.mark.parametrize("rule", KAP_RULES, **by_name)
def test_a_circle_over_the_whole_map_is_refused_because_it_leaves_no_negative(rule):
    case = (pair([(1, 1)], [(420, 210)], size_px=1e5), peaks({3: 1}))
    with pytest.raises(KapbenchError, match="No cell of the map lies outside the circle") as caught:
        records([case], [rule])
    assert caught.value.place == "pair pair, keypoint 0"


@pytest.mark.parametrize("rule", KAP_RULES, **by_name)
def test_records_of_earlier_versions_without_a_negative_are_refused(rule):
    column = f"outside@{rule.geometry.key}@0.10"
    rows = records([PLAIN, ABSENT])
    assert kap_samples(rows, rule, 0.10).label.tolist()[:2] == [True, False]
    lost = rows.assign(**{column: np.where(rows["target_visible"], np.nan, rows[column])})
    with pytest.raises(KapbenchError, match="1 row with no cell outside a keypoint's circle"):
        kap_samples(lost.astype({column: np.float32}), rule, 0.10)


@pytest.mark.parametrize("cells", [1, 2])
@pytest.mark.parametrize("rule", MAP_RULES, **by_name)
def test_a_grid_of_too_few_cells_is_refused(rule, cells):
    case = (pair([(1, 1)], [(420, 210)]), np.zeros((1, cells, cells)))
    with pytest.raises(KapbenchError, match=f"The grid of {cells}×{cells} cells is too coarse"):
        records([case], [rule])


BEYOND_FLOAT32 = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("rule", KAP_RULES, **by_name)
@pytest.mark.parametrize("value", [*BEYOND_FLOAT32, -3e38])
def test_similarities_whose_span_is_not_finite_are_refused(rule, value):
    maps = peaks({6: 3e38}, {2: 1.0})
    maps[1, 3, 3] = value
    case = (pair([(1, 1), (2, 2)], [(420, 210), None]), maps)
    with pytest.raises(KapbenchError, match="not finite in float32"):
        records([case], [rule])


@pytest.mark.parametrize("rule", KAP_RULES, **by_name)
def test_no_sample_is_lost_whatever_the_scale_of_similarities(rule):
    case = (pair([(1, 1), (2, 2)], [(420, 210), None]), peaks({6: 1.0, 3: -0.5}, {2: 0.25, 7: -1}))
    expected = kap_samples(records([case], [rule]), rule, 0.10)
    for power in (-140, -126, 0, 100, 126):
        scaled = (case[0], np.ldexp(case[1], power))
        samples = kap_samples(records([scaled], [rule]), rule, 0.10)
        assert samples.label.tolist() == expected.label.tolist()
        assert np.argsort(samples.score).tolist() == np.argsort(expected.score).tolist()


@pytest.mark.parametrize("rule", KAP_RULES, **by_name)
def test_stored_confidences_that_are_not_finite_are_refused(rule):
    rows, key = records([PLAIN, ABSENT]), rule.geometry.key
    for column, value in ((f"map_max@{key}", np.inf), (f"inside@{key}@0.10", np.inf)):
        wrong = rows.assign(**{column: np.float32(value)})
        with pytest.raises(KapbenchError, match="finite"):
            kap_samples(wrong, rule, 0.10)


def test_weights_of_zero_leave_no_score():
    rows = records([PLAIN, ABSENT])
    for rule in MAP_RULES:
        for average in rule.averages:
            made = estimator(rows, rule, 0.10, average)
            values = made.at(np.zeros((2, 3), np.float32)).values
            assert np.isnan(values).all()


def test_kap_is_not_written_where_no_keypoint_can_be_absent():
    scores = score_table(records([PLAIN]), MAP_RULES, has_absent=False)
    assert {s.metric for s in scores} == {"pck", "pck_dagger", "symmetry_confusion"}


def test_no_pairs_are_no_table():
    assert records([]).empty
