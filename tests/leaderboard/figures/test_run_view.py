"""Which runs come first in a picture of several, and in which colours."""

from pathlib import Path

import pytest
from submissions import made_by

from kapbench_leaderboard.figures.run_view import Subject, colour_of, ordered
from kapbench_leaderboard.figures.style import GREY


@pytest.fixture(scope="module")
def subjects(tmp_path_factory) -> dict[str, Subject]:
    folder: Path = tmp_path_factory.mktemp("runs")
    return {name: Subject.load(made_by(name, folder)) for name in ("Greys", "Colours")}


def named(subject: Subject, name: str, kind: str = "encoder") -> Subject:
    model = subject.card.model.model_copy(update={"name": name, "kind": kind})
    card = subject.card.model_copy(update={"model": model})
    return Subject(card, subject.records, subject.kap, subject.pck)


def test_the_best_model_is_first_controls_last_the_oracle_nowhere(subjects):
    greys, colours = subjects["Greys"], subjects["Colours"]
    control, oracle = named(colours, "pixels"), named(colours, "oracle", "oracle")
    found = [s.card.model.name for s in ordered([oracle, control, greys, colours])]
    assert found == ["colours", "greys", "pixels"]


def test_the_oracle_alone_is_shown(subjects):
    oracle = named(subjects["Greys"], "oracle", "oracle")
    assert ordered([oracle]) == [oracle]


def test_only_controls_are_grey(subjects):
    assert colour_of(named(subjects["Greys"], "random"), 0) == GREY
    assert colour_of(subjects["Greys"], 0) != GREY
