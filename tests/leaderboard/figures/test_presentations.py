"""Every figure of runs in every presentation: readable, named, and with fonts that embed."""

from collections.abc import Callable
from functools import cache

import pytest
from figure_content import refuse_unreadable, words
from matplotlib.figure import Figure
from matplotlib.text import Text
from submissions import DOTS

from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.figures import marks, presentation, style
from kapbench_leaderboard.figures.category_bars import draw_category_bars
from kapbench_leaderboard.figures.kap_examples import Rerun
from kapbench_leaderboard.figures.kap_figure import draw_kap
from kapbench_leaderboard.figures.kap_over_pck import draw_kap_over_pck
from kapbench_leaderboard.figures.loss_bars import draw_loss_bars
from kapbench_leaderboard.figures.loss_values import LossBar, LossChange, LossStep, subject
from kapbench_leaderboard.figures.loss_waterfall import draw_loss_waterfall
from kapbench_leaderboard.figures.pairs_of_runs import transfers_of
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sample_scores import draw_sample_scores
from kapbench_leaderboard.figures.score_curves import draw_pck_curves, draw_precision_curves
from kapbench_leaderboard.figures.select_rows import of_pair
from kapbench_leaderboard.figures.sources import Sources
from kapbench_leaderboard.figures.transfer_figure import draw_transfer, draw_transfers

SOURCES = Sources(f"{DOTS}:Dots", f"{DOTS}:Greys", dataset_options={"n_images": 6}, device="cpu")
PAIR = "dot:0-1"
Draw = Callable[[list[RunView]], Figure]


def pair(runs: list[RunView]) -> Figure:
    return draw_transfer(transfers_of(runs, [PAIR], SOURCES)[0])


def pairs(runs: list[RunView]) -> Figure:
    names = [PAIR, "dot:2-1"]
    return draw_transfers(transfers_of(runs, names, SOURCES), names, heading="Where A is better")


def keypoint(runs: list[RunView]) -> Figure:
    run = runs[1]
    number = int(of_pair(run.records, PAIR)["keypoint"].iloc[0])
    return draw_kap(Rerun.of(run, SOURCES).example(PAIR, number))


def losses(runs: list[RunView]) -> Figure:
    shares = dict(zip(TYPES, (0.02, 0.01, 0.03, 0.3, 0.1, 0.1, 0.02, 0.02), strict=True))
    return draw_loss_bars([LossBar("greys", 0.4, (0.3, 0.5), shares)], subject(runs[0]))


def steps(runs: list[RunView]) -> Figure:
    made = [LossStep(name, Interval(0.01, 0.01, 30.0), 0.01) for name in TYPES]
    return draw_loss_waterfall(LossChange("greys", "colours", 0.4, 0.48, made), subject(runs[0]))


DRAWN: tuple[Draw, ...] = (
    draw_category_bars,
    draw_kap_over_pck,
    draw_precision_curves,
    draw_pck_curves,
    draw_sample_scores,
    pair,
    pairs,
    keypoint,
    losses,
    steps,
)
every_figure = pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)


@pytest.fixture(scope="module")
def runs(dots_runs) -> list[RunView]:
    return [RunView.load(folder) for folder in dots_runs]


@pytest.fixture(scope="module")
def drawn(runs) -> Callable[[Draw, presentation.PresentationName], Figure]:
    """Each figure in each presentation, drawn once."""

    @cache
    def draw_once(draw: Draw, name: presentation.PresentationName) -> Figure:
        with style.styled(name):
            return draw(runs)

    return draw_once


@every_figure
@pytest.mark.parametrize("name", ["paper", "talk"])  # a poster is a talk, enlarged
def test_texts_are_readable_and_name_the_data_set(drawn, draw, name):
    figure = drawn(draw, name)
    with style.styled(name):
        scale = presentation.current().scale
        widths = [w * scale for w in (presentation.column_in(), presentation.page_in())]
    assert any("dots, test" in text for text in words(figure))
    assert figure.get_size_inches()[0] in [pytest.approx(width) for width in widths]
    for text in figure.findobj(Text):
        if any(text in axes.texts and axes.images for axes in figure.axes):
            text.set_visible(False)  # numbers of keypoints on the images
    refuse_unreadable(figure, 6.0 * scale)


@every_figure
def test_a_pdf_embeds_its_fonts_as_truetype(drawn, draw):
    content = style.content(drawn(draw, "paper"), "pdf")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


@every_figure
def test_without_a_title_the_figure_is_lower_and_names_no_data_set(runs, drawn, draw):
    titled = drawn(draw, "paper")
    with style.styled(titled=False):
        untitled = draw(runs)
    assert untitled.get_size_inches()[1] < titled.get_size_inches()[1]
    assert not any("dots, test" in text for text in words(untitled))


def test_text_and_lines_grow_beside_the_figure():
    def sizes(name):
        with style.styled(name):
            figure = style.blank(style.column_in(), 2)
            text = style.canvas(figure).text(0, 0, "KAP")
            (line,) = figure.axes[0].plot([0, 1], [0, 1], **marks.CORRECT)
        width = figure.get_size_inches()[0]
        return text.get_fontsize(), line.get_linewidth(), line.get_markersize(), width

    paper, talk, poster = map(sizes, presentation.PRESENTATION_NAMES)
    for smaller, larger in ((paper, talk), (talk, poster)):
        assert all(a < b for a, b in zip(smaller, larger, strict=True))
    assert talk[0] / talk[-1] > 1.1 * paper[0] / paper[-1]


def test_the_style_ends_with_its_block():
    with style.styled("poster"):
        assert style.points(1) == 4
    assert style.points(1) == 1


@pytest.mark.parametrize("mark", [marks.CORRECT, marks.WRONG, marks.TRUTH, marks.TWIN])
def test_marks_in_the_target_hide_no_circle(mark):
    assert mark["markerfacecolor"] == "none"
