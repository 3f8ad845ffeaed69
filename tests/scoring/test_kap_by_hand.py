"""KAP of single pairs, the arithmetic beside them. Cells are numbered row by row, 0 … 15."""

import numpy as np
import pytest
from scoring_cases import estimate, pair, peaks, records

from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import KapRule, load_rule


def rule(name: str) -> KapRule:
    found = load_rule(name)
    assert isinstance(found, KapRule)
    return found


def value(cases, name: str, alpha: float = 0.10, average: str = "category") -> float:
    return float(estimate(records(cases), rule(name), alpha, average).values[0])


def samples(cases, name: str, alpha: float = 0.10) -> list[tuple[bool, float]]:
    found = kap_samples(records(cases), rule(name), alpha)
    return list(zip(found.label.tolist(), found.score.tolist(), strict=True))


# Keypoint 0 sits on the top-left pixel of cell 6 (row 1, column 2); keypoint 1 is absent.
# T = 1000, alpha = 0.10: radius 100, less than a stride: only cell 6 is inside.
RIGHT_THEN_ABSENT = (pair([(5, 5), (9, 9)], [(420, 210), None]), peaks({6: 4, 1: 2, 2: 3}, {5: 2}))


def test_cvpr24_rescales_over_the_pair_and_gives_an_absent_keypoint_one_negative():
    # Joint range 0 … 4. Inside 4/4, outside 3/4, absent 2/4.
    assert samples([RIGHT_THEN_ABSENT], "kap-cvpr24") == [(True, 1.0), (False, 0.75), (False, 0.5)]
    assert value([RIGHT_THEN_ABSENT], "kap-cvpr24") == 1.0


def test_neurips25_adds_a_positive_at_the_corner_for_an_absent_keypoint():
    # Corner (0, 0): cell 0 is inside, score 0: a positive that only the lowest threshold finds.
    assert samples([RIGHT_THEN_ABSENT], "kap-neurips25") == [
        (True, 1.0),
        (False, 0.75),
        (True, 0.0),
        (False, 0.5),
    ]
    # Positive 1 at rank 1: precision 1. Positive 2 last of four: precision 2/4. (1 + 2/4) / 2.
    assert value([RIGHT_THEN_ABSENT], "kap-neurips25") == 0.75
    assert value([RIGHT_THEN_ABSENT], "kap-neurips25", average="pair") == 0.75


def test_neurips25_fixed_drops_that_positive_and_takes_the_whole_maps_maximum():
    assert samples([RIGHT_THEN_ABSENT], "kap-neurips25-fixed") == [
        (True, 1.0),
        (False, 0.75),
        (False, 0.5),
    ]
    peak_at_corner = (RIGHT_THEN_ABSENT[0], peaks({6: 4, 2: 3}, {0: 4, 5: 1}))
    # The corner's own peak is no longer cut out: the negative scores 1 and ties with the positive.
    assert value([peak_at_corner], "kap-neurips25-fixed") == 0.5
    # As published, the corner's 4 is a positive and only 1/4 is negative: P 2/2 at 1.0.
    assert value([peak_at_corner], "kap-neurips25") == 1.0


def test_v1_measures_from_centres_and_does_not_rescale():
    # Centres (315, 105), (525, 105), (315, 315), (525, 315) are all 148.5 px from (420, 210):
    # none within 100, so the first of them, cell 1, is the nearest and alone inside: score 2.
    # Outside: 4. Absent: 2. At threshold 2 one positive in three.
    assert samples([RIGHT_THEN_ABSENT], "kap-v1") == [(True, 2.0), (False, 4.0), (False, 2.0)]
    assert value([RIGHT_THEN_ABSENT], "kap-v1") == pytest.approx(1 / 3)


# Keypoint at (250, 100): top-left corners (210, 210) 117 px, (210, 0) 107.7 px, (420, 0) 197 px.
# Radius 100: no corner inside.
EMPTY_CIRCLE = (pair([(5, 5)], [(250, 100)]), peaks({1: 3, 5: 2, 15: 4}))


def test_an_empty_circle_holds_its_nearest_cell_in_cvpr24_and_nothing_in_neurips25():
    # cvpr24: cell 1 is nearest (107.7 px): 3/4; outside 4/4: one negative above: AP 1/2.
    assert samples([EMPTY_CIRCLE], "kap-cvpr24") == [(True, 0.75), (False, 1.0)]
    assert value([EMPTY_CIRCLE], "kap-cvpr24") == 0.5
    # neurips25: a positive of score 0.
    assert samples([EMPTY_CIRCLE], "kap-neurips25") == [(True, 0.0), (False, 1.0)]
    # v1: centre (315, 105) is 65 px away: inside as usual.
    assert samples([EMPTY_CIRCLE], "kap-v1") == [(True, 3.0), (False, 4.0)]


def test_a_cell_exactly_on_the_circle_is_outside_under_strict_and_inside_under_closed():
    # T = 2100: radius 210 exactly. From (420, 210), cells 2, 5, 7, 10 are at exactly 210.
    on_boundary = (pair([(5, 5)], [(420, 210)], size_px=2100), peaks({6: 1, 7: 4, 0: 2}))
    assert samples([on_boundary], "kap-cvpr24") == [(True, 0.25), (False, 1.0)]
    assert samples([on_boundary], "kap-neurips25") == [(True, 1.0), (False, 0.5)]


def test_the_nearest_cell_is_added_not_swapped_in():
    # Radius 300 around (420, 210): cell 6 (0 px) and its eight neighbours (297 px) are inside.
    nearby = (pair([(5, 5)], [(420, 210)], size_px=3000), peaks({6: 1, 1: 3, 15: 4}))
    assert samples([nearby], "kap-cvpr24") == [(True, 0.75), (False, 1.0)]


def test_samples_that_tie_move_together_over_pairs():
    # Both pairs' best scores become exactly 1: one a hit (cell 6), the other a miss.
    hit = (pair([(5, 5)], [(420, 210)], name="a"), peaks({6: 2}))
    miss = (pair([(5, 5)], [(420, 210)], name="b"), peaks({6: 3, 9: 6}))
    # Samples: (1, +), (0, −), (.5, +), (1, −). At 1: P = 1/2, recall 1/2. At .5: P = 2/3, rest.
    assert value([hit, miss], "kap-cvpr24") == pytest.approx(0.5 * 1 / 2 + 0.5 * 2 / 3)
    # Per pair: 1 and 1/2.
    assert value([hit, miss], "kap-neurips25", average="pair") == 0.75
    # Without rescaling: scores 2 +, 0 −, 3 +, 6 −: P at 3: 1/2, at 2: 2/3.
    unscaled = value([(hit[0], hit[1]), miss], "kap-v1")
    assert not np.isnan(unscaled)


def test_smaller_alphas_look_at_smaller_circles():
    # T = 3000: radii 300, 150, 30 around (420, 210): the neighbour cell 7 at 210 px leaves.
    case = (pair([(5, 5)], [(420, 210)], size_px=3000), peaks({6: 1, 7: 4}))
    by_alpha = [samples([case], "kap-cvpr24", a) for a in (0.10, 0.05, 0.01)]
    assert by_alpha == [
        [(True, 1.0), (False, 0.0)],
        [(True, 0.25), (False, 1.0)],
        [(True, 0.25), (False, 1.0)],
    ]


def test_a_letterbox_moves_circle_and_cells_alike():
    # The image is 420 × 280 px: scale 2, offset y (840 − 560) / 2 = 140. (210, 35) ↦ (420, 210).
    from scoring_cases import similarity, view

    from kapbench.scoring.build_records import pair_columns, table
    from kapbench.scoring.schema import Needs
    from kapbench.types import Pair

    target = view("t", [(210, 35)], size=(420, 280))
    # T = 500 px, alpha 0.10: 50 px, in the frame 100: only cell 6.
    small = Pair("p", view("s", [(1, 1)]), target, 500.0, np.array([-1]), np.array([0]))
    rules = [load_rule("kap-cvpr24")]
    rows = table([pair_columns(small, similarity(small, peaks({6: 4, 2: 3})), Needs.of(rules))])
    assert rows["inside@cvpr24@0.10"].tolist() == [4.0]
    assert rows["outside@cvpr24@0.10"].tolist() == [3.0]
