"""Which runs come first in a picture of several, and in which colours."""

from pathlib import Path

import pytest
from submissions import made_by

from kapbench_leaderboard.comparison.controls import shipped_controls
from kapbench_leaderboard.figures.run_view import RunView, colour_of, ordered
from kapbench_leaderboard.figures.style import GREY


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, RunView]:
    folder: Path = tmp_path_factory.mktemp("runs")
    return {name: RunView.load(made_by(name, folder)) for name in ("Greys", "Colours")}


def of_control(run: RunView, name: str) -> RunView:
    model = shipped_controls()[name]
    card = run.card.model_copy(update={"model": model})
    return RunView(card, run.records, run.kap, run.pck)


def test_the_best_model_is_first_controls_last_the_oracle_nowhere(runs):
    greys, colours = runs["Greys"], runs["Colours"]
    control, oracle = of_control(colours, "pixels"), of_control(colours, "oracle")
    found = [s.card.model.name for s in ordered([oracle, control, greys, colours])]
    assert found == ["colours", "greys", "pixels"]


def test_the_oracle_alone_is_shown(runs):
    oracle = of_control(runs["Greys"], "oracle")
    assert ordered([oracle]) == [oracle]


def test_only_controls_are_grey(runs):
    assert colour_of(of_control(runs["Greys"], "random"), 0) == GREY
    assert colour_of(runs["Greys"], 0) != GREY
