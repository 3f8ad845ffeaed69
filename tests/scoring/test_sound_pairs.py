"""Annotations that cannot be scored are refused before a run, with the pair."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_world
from scoring_cases import pair

from kapbench.errors import KapbenchError
from kapbench.scoring.sound_pairs import AVERAGES, refuse_reserved, refuse_unsound
from kapbench.types import Keypoints

SOUND = pair([(1, 1), None], [(2, 2), (3, 3)], name="p")


def moved(side: str, xy: float, visible: bool):
    view = getattr(SOUND, side)
    points = Keypoints(np.array([[1.0, xy], [2.0, 2.0]]), np.array([visible, True]))
    return replace(SOUND, **{side: replace(view, keypoints=points)})


def test_a_sound_pair_is_accepted():
    refuse_unsound([SOUND, SOUND], "mine")
    refuse_reserved(["cat", "Mean", "all"], "mine")


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_t_is_finite_and_above_0(size):
    with pytest.raises(KapbenchError, match=f"T, the size .*, is {size}") as caught:
        refuse_unsound([SOUND, replace(SOUND, size=size)], "mine")
    assert caught.value.place == "pair p of data set mine"


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("xy", [float("nan"), float("inf"), -float("inf")])
def test_a_visible_keypoint_lies_at_a_finite_point(side, xy):
    with pytest.raises(
        KapbenchError, match=r"Keypoint 0 of image [st] is visible and lies at \(1, "
    ):
        refuse_unsound([moved(side, xy, visible=True)], "mine")


def test_a_keypoint_that_is_not_visible_has_no_position():
    with pytest.raises(KapbenchError, match="Keypoint 0 of image t is not visible"):
        refuse_unsound([moved("target", 5.0, visible=False)], "mine")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"twins": np.array([0, 2])}, "is not among the keypoints 0 to 1"),
        ({"twins": np.array([0, -1])}, "is not among the keypoints 0 to 1"),
    ],
)
def test_groups_and_counterparts_are_of_the_keypoints(change, words):
    with pytest.raises(KapbenchError, match=words):
        refuse_unsound([replace(SOUND, **change)], "mine")


@pytest.mark.parametrize("name", sorted(AVERAGES))
def test_a_category_with_the_name_of_an_average_is_refused_before_a_run(tmp_path, name):
    dataset = tiny_world.TinyDataset(categories=("cat", name))
    with pytest.raises(KapbenchError, match=f"A category is called '{name}'") as caught:
        tiny_world.evaluate(tmp_path, dataset=dataset)
    assert caught.value.place == "data set tiny"


def test_a_run_refuses_an_unsound_pair(tmp_path):
    dataset = tiny_world.TinyDataset()
    dataset.pairs()[3] = replace(dataset.pairs()[3], size=0.0)
    with pytest.raises(KapbenchError, match="T, the size that distances are relative to, is 0"):
        tiny_world.evaluate(tmp_path, dataset=dataset)
