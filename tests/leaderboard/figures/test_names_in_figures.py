"""Names of models stand in figures as they are written: as no formula, and escaped."""

from xml.etree import ElementTree as ET

import pytest
from matplotlib.text import Text
from submissions import made_by

from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.category_bars import draw_category_bars
from kapbench_leaderboard.figures.kap_over_pck import draw_kap_over_pck
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.score_curves import draw_pck_curves, draw_precision_curves


@pytest.fixture(scope="module")
def view(tmp_path_factory) -> RunView:
    return RunView.load(made_by("Greys", tmp_path_factory.mktemp("runs")))


def named(view: RunView, name: str) -> RunView:
    model = view.card.model.model_copy(update={"name": name})
    return RunView(view.card.model_copy(update={"model": model}), view.records, view.kap, view.pck)


@pytest.mark.parametrize(
    "draw", [draw_category_bars, draw_kap_over_pck, draw_precision_curves, draw_pck_curves]
)
@pytest.mark.parametrize("name", ["a$b$", r"a$\frac{b$", r"\textbf{a}", "a<b>&--c"])
def test_a_name_is_no_formula_and_no_markup(view, draw, name):
    with style.styled():
        figure = draw([named(view, name), view])
    ET.fromstring(style.content(figure, "svg"))
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert any(name in text for text in texts), texts
