"""Stacked bars: the lengths of the segments are KAP and the shares."""

import itertools
import math
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from examples import examples
from figure_content import refuse_unreadable, words
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.loss_bars import APART, NEGATIVE, UNDEFINED, draw_loss_bars
from kapbench_leaderboard.figures.loss_styles import patch_of
from kapbench_leaderboard.figures.loss_values import LossBar

SUBJECT = "SPair-71k, test: KAP@0.10 kap-cvpr24"
NAMES = ("lite0", "sphere.lite0", "geoaware.supervised.lite0", "dino.vits8", "a$b$", "sift")


def bar(kap: float, name: str = "lite0", *, is_control: bool = False, shares=None) -> LossBar:
    if shares is None:
        parts = np.arange(1.0, len(TYPES) + 1)
        shares = (1 - kap) * parts / parts.sum()
    interval = None if math.isnan(kap) else (kap - 0.03, kap + 0.03)
    return LossBar(name, kap, interval, dict(zip(TYPES, shares, strict=True)), is_control)


def drawn(bars, **more):
    with style.styled():
        return draw_loss_bars(bars, SUBJECT, **more)


def stacks(figure) -> list[list[Rectangle]]:
    """The segments of each bar, from the top."""
    _, axes = figure.axes
    segments = [p for p in axes.patches if isinstance(p, Rectangle)]
    return [list(group) for _, group in itertools.groupby(segments, key=lambda p: p.get_y())]


def test_segments_are_kap_and_the_shares_end_to_end_to_100():
    one = bar(0.4)
    (segments,) = stacks(drawn([one]))
    widths = [s.get_width() for s in segments]
    assert widths == pytest.approx([40.0, *(100 * one.shares[t] for t in TYPES)])
    ends = [s.get_x() + s.get_width() for s in segments]
    assert [s.get_x() for s in segments] == pytest.approx([0, *ends[:-1]])
    assert ends[-1] == pytest.approx(100)
    faces = [to_rgb(s.get_facecolor()) for s in segments]
    assert faces == [to_rgb(patch_of(t)["facecolor"]) for t in (None, *TYPES)]


def test_the_best_model_is_first_undefined_ones_last_and_controls_apart():
    bars = [
        bar(0.5, "random", is_control=True),
        bar(math.nan, "none", shares=[math.nan] * 8),
        bar(0.3, "low"),
        bar(0.4, "high"),
    ]
    found = words(drawn(bars))
    names = [w for w in found if w in {"random", "none", "low", "high", APART}]
    assert names == ["high", "low", "none", APART, "random"]
    assert UNDEFINED in found
    assert len(stacks(drawn(bars))) == 3


def test_a_negative_share_lies_left_of_0_and_the_figure_says_so():
    figure = drawn([bar(0.4, shares=[0.5, 0, 0, -0.05, 0.2, -0.03, -0.02, 0])])
    (segments,) = stacks(figure)
    left = [s for s in segments if s.get_x() < 0]
    assert [s.get_width() for s in left] == pytest.approx([5, 3, 2])
    assert [s.get_x() for s in left] == pytest.approx([-5, -8, -10])
    right = max(s.get_x() + s.get_width() for s in segments)
    assert right + min(s.get_x() for s in segments) == pytest.approx(100)
    assert figure.axes[1].get_xlim() == pytest.approx((-10, 110))
    assert NEGATIVE in " ".join(words(figure)).replace("\n", " ")
    assert NEGATIVE not in " ".join(words(drawn([bar(0.4)]))).replace("\n", " ")


def test_the_interval_of_kap_is_a_line():
    lines = [line.get_xdata() for line in drawn([bar(0.4)]).axes[1].lines]
    assert [37, 43] in [pytest.approx(list(xs)) for xs in lines]


def test_values_stand_in_the_segments_where_they_fit_else_below():
    shares = [0.3, 0.002, 0, 0.098, 0, 0.1, 0, 0.1]
    for width_in, labels in (
        (style.COLUMN_IN, ["lite0", "KAP 40.0", "30", "10", "10", "10"]),
        (style.PAGE_IN, ["lite0", "KAP 40.0", "30.0", "9.8", "10.0", "10.0"]),
    ):
        axes = drawn([bar(0.4, shares=shares)], width_in=width_in).axes[1]
        *inside, below = [text.get_text() for text in axes.texts]
        assert inside == labels
        assert below.split() == ["mirror", "counterpart", "0.2"]


def test_a_small_kap_stands_beside_the_name():
    assert "lite0: KAP 1.0" in words(drawn([bar(0.01)]))


def test_neighbours_differ_in_grey():
    def grey(face: str) -> float:
        return float(np.dot(to_rgb(face), [0.299, 0.587, 0.114]))

    looks = [patch_of(t) for t in (None, *TYPES)]
    for first, second in itertools.pairwise(looks):
        differs = abs(grey(first["facecolor"]) - grey(second["facecolor"])) > 0.05
        assert differs or first["hatch"] != second["hatch"]
    shown = {(round(grey(x["facecolor"]), 1), x["hatch"]) for x in looks[2:]}
    assert len(shown) == len(looks) - 2


@pytest.mark.parametrize("width_in", [style.COLUMN_IN, style.PAGE_IN])
@pytest.mark.parametrize("n", [1, 6, 12])
def test_texts_are_readable_and_lie_apart(width_in, n):
    bars = [bar(0.6 - i / 25, NAMES[i % 6], is_control=i > 8) for i in range(n)]
    refuse_unreadable(drawn(bars, width_in=width_in, notes=["A long note about records. " * 5]))


@examples(10)
@given(st.lists(st.floats(0, 1), min_size=9, max_size=9).filter(lambda xs: sum(xs) > 0.1))
def test_labels_of_any_shares_lie_apart(parts):
    kap, *shares = np.array(parts) / sum(parts)
    refuse_unreadable(drawn([bar(float(kap), shares=shares), bar(float(kap), shares=shares)]))


@pytest.mark.parametrize("name", ["a$b$", r"a$\frac{b$", r"\textbf{a}", "a<b>&--c", "x" * 300, " "])
def test_a_name_is_no_formula_and_no_markup(name):
    for width_in in (style.COLUMN_IN, style.PAGE_IN):
        figure = drawn([bar(0.4, name), bar(0.3)], width_in=width_in)
        ET.fromstring(style.content(figure, "svg"))
        if len(name) < 30 and name.strip():
            assert name in words(figure)


@pytest.mark.parametrize("how", ["png", "svg", "pdf"])
def test_equal_figures_are_equal_files(how):
    first, second = (style.content(drawn([bar(0.4), bar(0.3)]), how) for _ in range(2))
    assert first == second
