"""Where long names of models are broken on a screen."""

import re
from dataclasses import replace

import pytest

from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.tables.build import tables
from kapbench_leaderboard.tables.render import render


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("geoaware.supervised.lite0", ["1. geoaware.", "  supervised.lite0"]),
        ("dinov2.vitb14reg", ["1. dinov2.", "  vitb14reg"]),
        ("sphere.lite0", ["1. sphere.lite0"]),
        ("Ours, with a very long name", ["1. Ours, with a", "  very long name"]),
        ("a" * 20, ["1. " + "a" * 15, "a" * 5]),
    ],
)
def test_a_long_name_is_broken_between_its_words_and_keeps_its_rank(card, name, lines):
    (made,) = tables(group([card(name)]))
    shown = render([replace(made, rows=(replace(made.rows[0], rank=1),))], "text")
    rows = shown.partition("\nmodel ")[2].partition("Scores")[0].splitlines()[1:]
    assert [re.split(r"(?<=\S)  ", row)[0] for row in rows] == lines
