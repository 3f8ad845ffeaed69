"""The boards that pages name, and the colours of heat maps."""

import pytest

from kapbench_leaderboard.site.boards import Board
from kapbench_leaderboard.site.pages import HEAT_STEPS, Site, heat_ends, heat_step


class NamedBoard(Board):
    """A board without runs."""

    name, is_sample = "", False

    def __init__(self, name, is_sample):
        for key, value in (("name", name), ("is_sample", is_sample)):
            object.__setattr__(self, key, value)


def site(**is_sample):
    return Site([], [NamedBoard(*each) for each in is_sample.items()], {})


def names(boards):
    return [board.name for board in boards]


def test_samples_stand_apart_unless_there_is_nothing_else():
    mixed = site(large=False, small=True)
    assert names(mixed.ranked) == ["large"]
    assert names(mixed.samples) == ["small"]
    small = site(one=True, two=True)
    assert names(small.ranked) == ["one", "two"]
    assert not small.samples


def test_the_lowest_and_the_highest_score_have_the_first_and_the_last_colour():
    ends = heat_ends([0.4, None, 0.2, 0.3])
    assert [heat_step(v, ends) for v in (0.2, 0.3, 0.4)] == [0, HEAT_STEPS // 2, HEAT_STEPS - 1]
    assert heat_step(0.9, ends) == HEAT_STEPS - 1
    assert heat_step(0.1, ends) == 0


@pytest.mark.parametrize("values", [[], [None], [0.5, 0.5]])
def test_equal_or_no_scores_have_a_colour(values):
    assert 0 <= heat_step(0.5, heat_ends(values)) < HEAT_STEPS


def test_every_colour_is_in_the_style_sheet():
    from importlib.resources import files

    css = (files("kapbench_leaderboard.site") / "static/site.css").read_text(encoding="utf-8")
    assert all(f".heat-{step} {{" in css for step in range(HEAT_STEPS))
    assert f".heat-{HEAT_STEPS}" not in css
