"""PCK, PCK dagger, symmetry confusion and the geometry-aware subsets, worked out on paper."""

import numpy as np
import pytest
from scoring_cases import estimate, pair, peaks, records

from kapbench.scoring.part_groups import find_keypoints_in_use, renumbered
from kapbench.scoring.rules import PckRule, load_rule


def rule(name: str) -> PckRule:
    found = load_rule(name)
    assert isinstance(found, PckRule)
    return found


def score(cases, name: str, alpha: float = 0.10, average: str = "point", **options):
    return estimate(records(cases), rule(name), alpha, average, **options)


def value(cases, name: str, alpha: float = 0.10, average: str = "point", **options) -> float:
    return float(score(cases, name, alpha, average, **options).values[0])


@pytest.mark.parametrize(
    ("name", "column", "point"),
    [
        ("pck-sd-dino", "sd-dino", (524.5, 314.5)),  # 210 · (2, 1) + 105 − 0.5
        ("pck-geoaware", "geoaware", (525.0, 315.0)),  # 210 · (2, 1) + 210 // 2
        ("pck-v1", "v1", (525.0, 315.0)),  # centre, original pixels
    ],
)
def test_the_predicted_point_of_cell_6(name, column, point):
    rows = records([(pair([(5, 5)], [(525, 315)]), peaks({6: 1}))], [rule(name)])
    assert (rows[f"x@{column}"][0], rows[f"y@{column}"][0]) == point
    expected = np.hypot(525 - point[0], 315 - point[1])
    assert rows[f"error_px@{column}"][0] == pytest.approx(expected)


def test_the_first_of_equal_cells_is_the_prediction():
    rows = records([(pair([(5, 5)], [(1, 1)]), peaks({9: 1, 6: 1}))], [rule("pck-v1")])
    assert (rows["x@v1"][0], rows["y@v1"][0]) == (525.0, 315.0)


def test_an_error_of_exactly_alpha_t_is_wrong_under_strict_and_right_under_closed():
    # Cell 6's centre is (525, 315); the keypoint 10 px to its right; T = 100: limit 10.0 exactly.
    case = (pair([(5, 5)], [(535, 315)], size_px=100), peaks({6: 1}))
    assert value([case], "pck-v1") == 0.0
    assert value([case], "pck-geoaware") == 0.0
    closed = rule("pck-v1").model_copy(update={"closed": True})
    assert float(estimate(records([case]), closed, 0.10, "point").values[0]) == 1.0
    nearer = (pair([(5, 5)], [(534.75, 315)], size_px=100), peaks({6: 1}))
    assert value([nearer], "pck-v1") == 1.0


def test_only_dift_is_closed():
    names = ("pck-sd-dino", "pck-geoaware", "pck-geoaware-soft", "pck-dift", "pck-v1", "geo")
    assert [n for n in names if rule(n).closed] == ["pck-dift"]


def test_absent_keypoints_are_not_asked_and_images_weigh_alike_per_image():
    # Pair a: 3 shown in both, 1 right. Pair b: 1 shown in both, right; 1 absent.
    a = pair([(1, 1), (2, 2), (3, 3)], [(525, 315)] * 3, size_px=100, name="a")
    b = pair([(1, 1), (2, 2), None], [(525, 315), None, (7, 7)], size_px=100, name="b")
    cases = [(a, peaks({6: 1}, {0: 1}, {0: 1})), (b, peaks({6: 1}, {6: 1}))]
    by_point, by_image = (score(cases, "pck-geoaware", average=k) for k in ("point", "image"))
    assert by_point.values[0] == pytest.approx(2 / 4)
    assert by_point.n[0] == 4
    assert by_image.values[0] == pytest.approx((1 / 3 + 1) / 2)
    assert by_image.n[0] == 2


def test_averages_over_categories():
    # cat: pair of 1 point, right; pair of 1 point, wrong; dog: one pair of 2 points, both right.
    cat = [
        (pair([(1, 1)], [(525, 315)], size_px=100, name=n), peaks({c: 1}))
        for n, c in (("a", 6), ("b", 0))
    ]
    dog = pair([(1, 1), (2, 2)], [(525, 315)] * 2, size_px=100, name="c", category="dog")
    cases = [*cat, (dog, peaks({6: 1}, {6: 1}))]
    point, image = (score(cases, "pck-geoaware", average=k) for k in ("point", "image"))
    assert point.values.tolist() == [0.5, 1.0]
    assert float(point.over_categories("mean")) == 0.75
    assert float(point.over_categories("pooled")) == 0.75  # 3 of 4 points
    assert float(image.over_categories("pair_weighted")) == pytest.approx((2 * 0.5 + 1) / 3)


def test_dagger_asks_that_no_other_mutual_keypoint_is_nearer():
    # Prediction (525, 315), T = 1000, limit 100. Keypoint 0 is 60 px off, keypoint 1 only 20 px:
    # keypoint 0 is right under PCK and wrong under dagger.
    case = (pair([(1, 1), (2, 2)], [(585, 315), (525, 335)]), peaks({6: 1}, {6: 1}))
    assert value([case], "pck-geoaware") == 1.0
    assert value([case], "pck-geoaware", metric="pck_dagger") == 0.5
    # Where the source does not show keypoint 1, it is no rival.
    alone = (pair([(1, 1), None], [(585, 315), (525, 335)]), peaks({6: 1}))
    assert value([alone], "pck-geoaware", metric="pck_dagger") == 1.0
    # Two keypoints equally near: the lower id is the nearest.
    tied = (pair([(1, 1), (2, 2)], [(535, 315), (515, 315)]), peaks({6: 1}, {6: 1}))
    assert value([tied], "pck-geoaware", metric="pck_dagger") == 0.5


def test_symmetry_confusion_counts_predictions_at_the_twin_and_not_at_home():
    # Twins 0 and 1; T = 1000. Both predict (525, 315), keypoint 0's own place; keypoint 1, at
    # (105, 105), is confused. Keypoint 2 has no twin and is not asked.
    target = [(525, 315), (105, 105), (735, 735)]
    case = (pair([(1, 1), (2, 2), (3, 3)], target, twins=[1, 0, 2]), peaks({6: 1}, {6: 1}, {6: 1}))
    found = score([case], "pck-v1", metric="symmetry_confusion")
    assert found.values[0] == 0.5
    assert found.n[0] == 2
    # Near both: not confused, for it is right.
    near = (pair([(1, 1), (2, 2)], [(525, 315), (545, 315)], twins=[1, 0]), peaks({6: 1}, {6: 1}))
    assert value([near], "pck-v1", metric="symmetry_confusion") == 0.0
    # An absent keypoint whose visible twin is hit: what the metric is for.
    absent = (pair([(1, 1), (2, 2)], [None, (525, 315)], twins=[1, 0]), peaks({6: 1}, {6: 1}))
    found = score([absent], "pck-v1", metric="symmetry_confusion")
    assert (found.values[0], found.n[0]) == (1.0, 1)


@pytest.mark.parametrize("side", ["own", "twin"])
def test_confusion_compares_as_its_rule_does(side):
    # The prediction (525, 315) lies exactly 0.1 · 1000 px from keypoint 0, or from its twin 1.
    close, far = (425, 315), (105, 105)
    target = [close, far] if side == "own" else [far, close]
    case = (pair([(1, 1), None], target, twins=[1, 0]), peaks({6: 1}))
    closed = load_rule("pck-v1").model_copy(update={"closed": True})
    scores = {
        rule.closed: [
            estimate(records([case], [rule]), rule, 0.1, "point", metric=metric).values[0]
            for metric in ("pck", "symmetry_confusion")
        ]
        for rule in (load_rule("pck-v1"), closed)
    }
    assert scores[False] == [0.0, 0.0]
    assert scores[True] == ([1.0, 0.0] if side == "own" else [0.0, 1.0])


# Groups like a bus': ids interleave, so writing the groups out one after another moves them.
BUS = np.array([0, 1, 0, 1, -1])


def test_renumbering_replaces_an_id_by_its_place_in_the_written_out_list():
    # Groups {0, 2}, {1, 3}, single 4, written out: 0 2 1 3 4. Keypoint 1 takes the group of 2, and
    # keypoint 2 that of 1: {0, 1} and {2, 3} instead of {0, 2} and {1, 3}.
    assert renumbered(BUS, np.ones(5, bool)).tolist() == [0, 0, 1, 1, -1]


def test_renumbering_first_drops_the_ids_that_no_image_shows():
    # Without keypoint 1, the list is 0 2 3 4: in the order of the ids that are left. Keypoint 3 is
    # the last of its group.
    assert renumbered(BUS, np.array([1, 0, 1, 1, 1], bool)).tolist() == [0, -1, 0, 1, -1]
    # Without 2 and 4, it is 0 1 3, also in order.
    assert renumbered(BUS, np.array([1, 1, 0, 1, 0], bool)).tolist() == [0, 1, -1, 1, -1]
    # Groups {0, 4}, {1, 2} and 3, without 3: the list 0 4 1 2 stands for the ids 0 1 2 4.
    assert renumbered(np.array([0, 1, 1, -1, 0]), np.array([1, 1, 1, 0, 1], bool)).tolist() == [
        0,
        0,
        1,
        -1,
        1,
    ]


def test_keypoints_in_use_are_those_of_any_source_or_target_of_the_category():
    cases = [
        pair([(1, 1), None, None], [(1, 1), None, None], images=("a", "b")),
        pair([None, None, (2, 2)], [None, None, (2, 2)], images=("c", "d")),
        pair([None, (1, 1)], [(1, 1), None], category="dog"),
        pair([None, None, None], [(1, 1), None, None], category="cow"),
    ]
    used = {name: ids.tolist() for name, ids in find_keypoints_in_use(cases).items()}
    assert used == {"cat": [True, False, True], "dog": [True, True], "cow": [True, False, False]}


@pytest.mark.parametrize("groups", [[0, 0, 1, 1, -1], [-1, -1], [0, 0, 0], [-1, 0, 0, -1, 1, 1]])
def test_renumbering_leaves_groups_alone_that_are_written_in_order(groups):
    assert renumbered(np.array(groups), np.ones(len(groups), bool)).tolist() == groups


def test_geo_counts_keypoints_of_groups_that_show_two_members_in_the_target():
    # The target shows 0, 1, 2 and 4, not 3. True groups: {0, 2} shows two, {1, 3} one.
    # So geo asks 0 and 2; renumbered groups {0, 1}, {2, 3}: the published path asks 0 and 1.
    everywhere = [(1, 1)] * 5
    target = [(525, 315), (525, 315), (105, 105), None, (525, 315)]
    case = (pair(everywhere, target, groups=BUS), peaks(*[{6: 1}] * 5))
    geo, published = score([case], "geo"), score([case], "geo-published-point")
    assert (geo.values[0], geo.n[0]) == (0.5, 2)
    assert (published.values[0], published.n[0]) == (1.0, 2)


def test_geo_counts_members_that_only_the_target_shows():
    # Keypoint 2 is not in the source, but it makes the group visible: 0 counts, alone.
    case = (
        pair([(1, 1), (1, 1), None], [(525, 315), (1, 1), (2, 2)], groups=[0, -1, 0]),
        peaks({6: 1}, {6: 1}),
    )
    assert score([case], "geo").n[0] == 1


def test_pairs_without_a_geo_keypoint_are_left_out_of_the_mean_over_images():
    with_geo = pair([(1, 1)] * 2, [(525, 315)] * 2, groups=[0, 0], name="a")
    without = pair([(1, 1)] * 2, [(525, 315), None], groups=[0, 0], name="b")
    cases = [(with_geo, peaks({6: 1}, {0: 1})), (without, peaks({0: 1}, {0: 1}))]
    found = score(cases, "geo", average="image")
    assert (found.values[0], found.n[0]) == (0.5, 1)
