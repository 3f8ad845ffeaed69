"""Paired tests of scores of parts, on tables whose every row is known."""

import math
from functools import cache

import numpy as np
import pytest
from diagnosed import card
from scoring_cases import pair, peaks, records

from kapbench.scoring.bootstrap import Resampling
from kapbench.scoring.rules import load_rule
from kapbench_leaderboard.comparison.part_resamples import part_resamples
from kapbench_leaderboard.comparison.significance import differences

RULE = "pck-sd-dino"
CORNERS = [(105, 105), (735, 735)]  # the centres of cells 0 and 15
IMAGES = [("a", "b"), ("c", "d"), ("e", "a"), ("b", "c"), ("d", "e"), ("a", "c")]
AT_FIRST, AT_OWN, BETWEEN = ({0: 1.0}, {0: 1.0}), ({0: 1.0}, {15: 1.0}), ({5: 1.0}, {5: 1.0})
# Of the two keypoints of a pair, of each way to answer: exact, concept, wrong member, identity.
SCORES = {
    "pck": {"first": (1, 0), "own": (1, 1), "between": (0, 0)},
    "pck_concept": {"first": (1, 1), "own": (1, 1), "between": (0, 0)},
    "wrong_member": {"first": (0, 1), "own": (0, 0), "between": (0, 0)},
    "identity": {"first": (1, 0), "own": (1, 1), "between": (0.5, 0.5)},
}
MAPS = {"first": AT_FIRST, "own": AT_OWN, "between": BETWEEN}
BEST = ("own", "own", "first", "own", "own", "own")
OTHER = ("first", "between", "first", "own", "between", "first")


@cache
def rows(answers, twins=(1, 0)):
    cases = [
        (
            pair(CORNERS, CORNERS, size_px=2000, twins=twins, images=ab, name=f"{i}"),
            peaks(*MAPS[how]),
        )
        for i, (ab, how) in enumerate(zip(IMAGES, answers, strict=True))
    ]
    return records(cases, [load_rule(RULE)])


@cache
def run():
    return card(rows(BEST), rules=[RULE])


@cache
def resampled(answers, **named):
    return part_resamples(rows(answers, **named), run())


def by_hand(metric, answers):
    """At every resample: the mean of the rows, each as often as its two images were drawn."""
    drawn = Resampling.of(rows(answers))
    weight = drawn.counts[drawn.source] * drawn.counts[drawn.target]
    of_pairs = np.array([SCORES[metric][how] for how in answers]).mean(axis=1)
    with np.errstate(invalid="ignore"):
        return (weight * of_pairs[:, None]).sum(axis=0) / weight.sum(axis=0)


@pytest.mark.parametrize("metric", SCORES)
def test_scores_at_every_resample_by_hand(metric):
    made = resampled(OTHER).columns[metric]
    assert made.value[0] == pytest.approx(
        np.mean([SCORES[metric][how] for how in OTHER], dtype=float)
    )
    np.testing.assert_allclose(made.products[:, 0], by_hand(metric, OTHER), rtol=1e-6)


@pytest.mark.parametrize("metric", SCORES)
def test_a_difference_is_that_of_the_same_resamples(metric):
    gaps = differences(resampled(BEST), resampled(OTHER))
    mean = next(gap for gap in gaps if (gap.category, gap.column) == ("mean", metric))
    each = [np.mean([SCORES[metric][how] for how in answers]) for answers in (BEST, OTHER)]
    assert mean.interval.value == pytest.approx(each[0] - each[1])
    of_keypoints = [
        np.mean([SCORES[metric][how][i] for how in BEST])
        - np.mean([SCORES[metric][how][i] for how in OTHER])
        for i in (0, 1)
    ]
    holding = sum(np.sign(gap) == np.sign(mean.interval.value) for gap in of_keypoints)
    assert (mean.over_keypoints.n_holding, mean.over_keypoints.n) == (holding, 2)


def test_identity_that_records_lack_is_unknown_and_the_others_are_tested():
    before = rows(BEST).drop(columns="identity")
    gaps = differences(part_resamples(before, run()), resampled(BEST))
    values = {gap.column: gap.interval.value for gap in gaps if gap.category == "mean"}
    assert math.isnan(values.pop("identity"))
    assert values == {"pck": 0, "pck_concept": 0, "wrong_member": 0}


def test_data_without_parts_have_the_score_of_the_rule_alone():
    assert list(resampled(BEST, twins=(0, 1)).columns) == ["pck"]
