"""The waterfall: its steps lead exactly from one KAP to the other."""

import itertools
import math
from xml.etree import ElementTree as ET

import pytest
from figure_content import refuse_unreadable, words
from matplotlib.patches import Rectangle

from kapbench.scoring.bootstrap import Interval
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.loss_values import LossChange, LossStep
from kapbench_leaderboard.figures.loss_waterfall import draw_loss_waterfall

SUBJECT = "SPair-71k, test: KAP@0.10 kap-cvpr24"
STEPS = (0.02, -0.04, 0.0, 0.01, -0.005, 0.09, 0.03, -0.0004)
ORDER = sorted(range(8), key=lambda i: -abs(STEPS[i]))
WIDTHS = [style.COLUMN_IN, style.PAGE_IN]


def change(steps=STEPS, before: str = "lite0", after: str = "sphere.lite0") -> LossChange:
    made = [
        LossStep(name, Interval(value, 0.01, math.inf), 0.01 if abs(value) > 0.015 else 0.6)
        for name, value in zip(TYPES, steps, strict=True)
    ]
    return LossChange(before, after, 0.4, 0.4 + sum(steps), made)


def drawn(one: LossChange, **more):
    with style.styled():
        return draw_loss_waterfall(one, SUBJECT, **more)


def bars(figure) -> list[Rectangle]:
    """From the top."""
    return [p for p in figure.axes[1].patches if isinstance(p, Rectangle)]


def test_steps_by_size_from_the_first_kap_to_the_second():
    found = bars(drawn(change()))
    assert [b.get_width() for b in found] == pytest.approx([100 * STEPS[i] for i in ORDER])
    ends = [b.get_x() + b.get_width() for b in found]
    assert [b.get_x() for b in found] == pytest.approx([40, *ends[:-1]])
    assert ends[-1] == pytest.approx(100 * change().kap_after)
    assert [b.get_y() for b in found] == sorted(b.get_y() for b in found)


def test_only_significant_steps_are_in_full_colour():
    full = [abs(STEPS[i]) > 0.015 for i in ORDER]
    assert [b.get_alpha() == 1 for b in bars(drawn(change()))] == full
    untested = LossChange(
        "a",
        "b",
        0.4,
        0.5,
        [LossStep(TYPES[0], Interval(0.1, math.nan, math.nan), math.nan)],
        "a category is small",
    )
    assert "Pale: not tested, since a category is small." in " ".join(words(drawn(untested)))
    assert [b.get_alpha() == 1 for b in bars(drawn(untested))] == [False]


def test_whiskers_are_the_intervals_around_the_end_of_a_step():
    figure = drawn(change())
    whiskers = [line.get_xdata() for line in figure.axes[1].lines if line.get_marker() == "|"]
    ends = [b.get_x() + b.get_width() for b in bars(figure)]
    half = 100 * Interval(0.0, 0.01, math.inf).half_width
    assert len(whiskers) == len(ends)
    for xs, end in zip(whiskers, ends, strict=True):
        assert list(xs) == pytest.approx([end - half, end + half])


def test_gains_and_losses_differ_in_hatch_and_values_have_a_sign():
    figure = drawn(change())
    for one, value in zip(bars(figure), [STEPS[i] for i in ORDER], strict=True):
        assert bool(one.get_hatch()) == (value < 0)
    found = words(figure)
    assert {"+9.0", "−4.0", "0.0", "−0.5"} <= set(found)
    assert "−0.0" not in found
    assert "To the right: sphere.lite0 loses less." in " ".join(found)
    assert f"From lite0 to sphere.lite0: {100 * sum(STEPS):+.1f}" in " ".join(found)


def test_a_step_that_is_not_known_is_last_and_na():
    steps = [LossStep(t, Interval(math.nan, math.nan, math.nan), math.nan) for t in TYPES]
    figure = drawn(LossChange("a", "b", math.nan, math.nan, steps))
    assert words(figure).count("n/a") == len(TYPES) + 2


@pytest.mark.parametrize("width_in", WIDTHS)
@pytest.mark.parametrize("names", [("lite0", "x"), ("geoaware.supervised.lite0", "dino.vits8 [b]")])
def test_texts_are_readable_and_lie_apart(width_in, names):
    one = change(STEPS, *names)
    refuse_unreadable(drawn(one, width_in=width_in, notes=["A long note about records. " * 5]))
    refuse_unreadable(drawn(change([-s for s in STEPS], *names), width_in=width_in))


@pytest.mark.parametrize("name", ["a$b$", r"a$\frac{b$", r"\textbf{a}", "a<b>&--c", "x" * 300])
def test_a_name_is_no_formula_and_no_markup(name):
    figure = drawn(change(STEPS, name))
    ET.fromstring(style.content(figure, "svg"))
    assert len(name) > 30 or name in words(figure)


@pytest.mark.parametrize("how", ["png", "svg", "pdf"])
def test_equal_figures_are_equal_files(how):
    for first, second in itertools.pairwise(style.content(drawn(change()), how) for _ in range(2)):
        assert first == second
