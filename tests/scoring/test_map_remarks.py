"""Constant maps are said beside the score: by the records, in the run card and below tables."""

import numpy as np
import tiny_world
from scoring_cases import MAP_RULES, pair, peaks, records

from kapbench.running.results import load_card
from kapbench.scoring.map_remarks import remarks_on_maps
from kapbench.scoring.rules import PckRule
from kapbench.scoring.schema import Needs
from kapbench.types import Grid, SimilarityMap

PLAIN = (pair([(1, 1)], [(420, 210)], name="plain"), peaks({6: 2}))
CONSTANT = (pair([(1, 1)], [(420, 210)], name="constant"), np.full((1, 4, 4), -3.0))
REMARK = (
    "In 1 of 2 pairs, all similarities are equal: confidences tie, and the predicted point is that of "
    "the first cell"
)


def test_pairs_whose_maps_are_constant_are_counted():
    needs = Needs.of(MAP_RULES)
    assert remarks_on_maps(records([PLAIN, CONSTANT]), needs) == (REMARK,)
    assert remarks_on_maps(records([PLAIN]), needs) == ()
    assert remarks_on_maps(records([PLAIN]).iloc[:0], needs) == ()


def test_pairs_with_constant_maps_of_several_levels_are_counted():
    levels = np.stack([np.full((4, 4), level, np.float32) for level in (0.2, 0.7)])
    two = (pair([(1, 1), (9, 9)], [(420, 210), (200, 300)], name="two"), levels)
    remark = (
        "In 1 of 2 pairs, all similarities of a visible keypoint are equal: its predicted point is "
        "that of the first cell"
    )
    assert remarks_on_maps(records([PLAIN, two]), Needs.of(MAP_RULES)) == (remark,)


def test_a_constant_map_of_an_absent_keypoint_is_no_remark():
    maps = np.stack([np.zeros((4, 4), np.float32), peaks({6: 2})[0]])
    absent = (pair([(1, 1), (9, 9)], [None, (420, 210)], name="absent"), maps)
    assert remarks_on_maps(records([absent]), Needs.of(MAP_RULES)) == ()


def test_without_confidences_nothing_is_known():
    rules = [rule for rule in MAP_RULES if isinstance(rule, PckRule)]
    assert remarks_on_maps(records([CONSTANT], rules), Needs.of(rules)) == ()


class Constant:
    name, revision, conditions_on = "constant-maps", "1", ()

    def match(self, source, target, queries):
        grid = Grid.letterbox(target.size, 4, 840)
        return SimilarityMap(np.zeros((len(queries), 4, 4), np.float32), grid, queries)


def test_the_run_card_says_so_and_is_as_before_without_remarks(tmp_path):
    result = tiny_world.evaluate(tmp_path, Constant())
    (remark,) = load_card(result.folder).remarks
    assert remark.startswith("In 24 of 24 pairs, all similarities are equal")
    other = tiny_world.evaluate(tmp_path, tiny_world.TinyPairModel())
    assert other.card.remarks == ()
    assert '"remarks"' not in (other.folder / "run.json").read_text(encoding="utf-8")
