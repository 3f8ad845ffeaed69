"""The figure of the reference models names every mark, and no text covers another or a mark."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from kapbench.running.results import ModelCard, RunCard
from kapbench.scoring.rules import load_rule
from kapbench_leaderboard.comparison.controls import shipped_controls
from kapbench_leaderboard.entries.schema import load_entry
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.reference_scatter import WEAKNESSES, draw_reference_scatter

RESULTS = Path(__file__).parents[3] / "leaderboard" / "results" / "spair"
KAP, PCK = load_rule("kap-cvpr24"), load_rule("pck-sd-dino")
# KAP and PCK on SPair's five categories.
REFERENCES = {
    "oracle": (1.0, 1.0),
    "twin-trap": (0.906, 1.0),
    "never-silent": (0.690, 1.0),
    "side-blind": (0.635, 0.759),
    "part-blind": (0.589, 0.686),
}
MODELS = {
    "geoaware.supervised.lite0": (0.464, 0.538),
    "sphere.lite0": (0.415, 0.454),
    "geoaware.zeroshot.lite0": (0.400, 0.419),
    "lite0": (0.393, 0.406),
    "constant": (0.394, 0.026),
    "random": (0.239, 0.015),
}


def accepted() -> RunCard:
    [path] = (RESULTS / "lite0").glob("*.json")
    return load_entry(path).run


def card(name: str, kap: float | None, pck: float) -> RunCard:
    """An accepted run card with another model and other scores."""
    run = accepted()
    model: ModelCard = shipped_controls().get(name, run.model.model_copy(update={"name": name}))
    values = {KAP.name: kap, PCK.name: pck}
    scores = [
        s.model_copy(update={"value": values[s.rule]})
        if s.rule in values and s.metric in ("kap", "pck")
        else s
        for s in run.scores
    ]
    return run.model_copy(update={"model": model, "scores": scores})


def draw(scores: dict[str, tuple[float | None, float]]) -> Figure:
    with style.styled():
        cards = [card(name, *both) for name, both in scores.items()]
        figure = draw_reference_scatter(cards, KAP, PCK, 0.10)
        figure.draw_without_rendering()
    return figure


@pytest.fixture(scope="module")
def figure() -> Figure:
    return draw(REFERENCES | MODELS)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def marks(figure: Figure) -> list[Line2D]:
    return [line for line in figure.axes[0].lines if line.get_marker() != "None"]


def test_every_mark_has_its_name_and_references_their_weakness(figure):
    others = {"PCK 100 but KAP 69", "chance"}
    assert set(texts(figure)) == {*REFERENCES, *MODELS, *WEAKNESSES.values(), *others}
    assert len(marks(figure)) == len(REFERENCES | MODELS)


def test_a_line_at_the_share_of_positives_is_chance(figure):
    run = accepted()
    row = run.score(KAP.name, "prevalence", 0.10, "mean", average="category")
    (line,) = [line for line in figure.axes[0].lines if line not in marks(figure)]
    assert set(line.get_ydata()) == {100 * row.value}


def test_marks_are_at_pck_and_kap(figure):
    at = [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks(figure)]
    expected = [(100 * pck, 100 * kap) for kap, pck in (REFERENCES | MODELS).values()]
    np.testing.assert_allclose(at, expected)


def test_controls_are_hollow_and_models_are_not(figure):
    faces = [to_hex(line.get_markerfacecolor()) for line in marks(figure)]
    hollow = [
        name for name, face in zip(REFERENCES | MODELS, faces, strict=True) if face == "#ffffff"
    ]
    assert hollow == [*REFERENCES, "constant", "random"]


def overlap(one: Bbox, other: Bbox) -> bool:
    both = Bbox.intersection(one, other)
    return both is not None and both.width * both.height > 1


def test_no_text_covers_another_or_a_mark_or_leaves_the_figure(figure):
    axes = figure.axes[0]
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert not [pair for pair in combinations(boxes, 2) if overlap(*map(boxes.get, pair))]
    of_marks = [line.get_window_extent() for line in marks(figure)]
    assert not [name for name, box in boxes.items() if any(overlap(box, mark) for mark in of_marks)]
    for box in boxes.values():
        assert axes.get_window_extent().containsx(box.x0)
        assert figure.bbox.containsx(box.x1)


def test_a_run_without_one_of_the_scores_is_left_out():
    assert "lite0" not in texts(draw({"oracle": (1.0, 1.0), "lite0": (None, 0.4)}))
