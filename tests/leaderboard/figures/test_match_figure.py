"""Figures of matches: readable, of the model they name, and in colours that everybody tells apart."""

import blocks
import numpy as np
import pytest
from blocks import SIDE, centre
from examples import examples
from figure_content import refuse_unreadable, words
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

import kapbench
from kapbench.errors import KapbenchError
from kapbench_leaderboard.figures import match_summary, style
from kapbench_leaderboard.figures.match_figure import match_figure
from kapbench_leaderboard.figures.match_marks import label_corners
from kapbench_leaderboard.figures.position_colours import position_colours

NUMBERS = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
POINTS = [centre(0, 0), centre(5, 6), centre(11, 11)]


@pytest.fixture(scope="module")
def matches(tmp_path_factory):
    """Of two models: at points, and of regular sets."""
    cache = tmp_path_factory.mktemp("cache")
    images = blocks.blocks(NUMBERS), blocks.blocks(np.roll(NUMBERS, 2, axis=1))

    def match(model, points):
        return kapbench.match(model, *images, points, cache=cache, n_points=16)

    models = blocks.Blocks(), blocks.Pairs()
    return {points is None: [match(m, points) for m in models] for points in (None, POINTS)}


@pytest.mark.parametrize("is_regular", [True, False])
@pytest.mark.parametrize("n_models", [1, 2])
def test_texts_are_readable_and_name_every_model(matches, n_models, is_regular):
    of_models = matches[is_regular][:n_models]
    figure = of_models[0].figure(*of_models[1:], lines=is_regular)
    refuse_unreadable(figure)
    shown = " ".join(words(figure))
    for m in of_models:
        assert m.model in shown
    assert ("16 of 16 mutual" in shown) == is_regular
    assert ("margin 0.5" in shown) == (n_models == 2 and not is_regular)


def test_lines_do_not_cross_the_images_of_other_models(matches):
    first = matches[True][0]
    n_images = [len(match_figure([first] * 2, lines=lines).axes) for lines in (False, True)]
    assert n_images == [6, 8]  # beside the same points; or each beside its own


def test_the_ring_lies_at_the_best_match_and_the_diamond_at_the_second_peak(matches):
    pairs = matches[False][1]
    figure = match_figure([pairs])
    markers = {
        line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0])
        for line in figure.axes[2].lines
    }
    assert markers == {"o": tuple(pairs.best[0]), "D": tuple(pairs.second[0])}


def test_matches_have_the_colours_of_their_points(matches):
    first = matches[True][0]
    left, right, *_ = match_figure([first]).axes
    assert len(left.lines) == len(right.lines) == len(first)
    for point, match in zip(left.lines, right.lines, strict=True):
        assert point.get_markerfacecolor() == match.get_markerfacecolor()
        moved = float(match.get_xdata()[0]) - float(point.get_xdata()[0])
        assert moved % 60 == pytest.approx(10, abs=blocks.BLOCK / 2)


@pytest.mark.parametrize("is_regular", [True, False])
def test_the_summary_says_what_it_leaves_out(matches, is_regular, monkeypatch):
    monkeypatch.setattr(match_summary, "MAX_PANELS", 6)
    figure = match_summary.draw_summary([matches[is_regular]] * 4, 4)
    refuse_unreadable(figure)
    head = "blocks and pairs: best matches in 4 images, of which the first 3 are shown"
    assert head in words(figure)
    assert len(figure.axes) == 1 + 6


def test_matches_at_one_place_share_a_label(matches):
    assert words(match_figure([matches[False][1]])).count("1, 2, 3") == 1


def test_equal_matches_are_equal_files(matches):
    first = matches[False][0]
    one, two = (style.content(first.figure(), "pdf") for _ in range(2))
    assert one == two


def test_matches_of_other_points_do_not_share_a_figure(matches):
    with pytest.raises(KapbenchError, match="the same points of the same images"):
        match_figure([matches[False][0], matches[True][1]])
    with pytest.raises(KapbenchError, match="5 models do not fit"):
        match_figure([matches[False][0]] * 5)


def test_an_unknown_ending(matches, tmp_path):
    with pytest.raises(KapbenchError, match=r"The ending '\.gif'"):
        matches[False][0].save(tmp_path / "m.gif")
    assert matches[False][0].save(tmp_path / "m.json").exists()


# Linear RGB as who has no red or no green cones sees it (Machado et al. 2009, severity 1).
SEEN = {
    "everybody": np.eye(3),
    "without red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("by", SEEN)
def test_colours_of_places_are_told_apart_by(by):
    places = np.array([[x, y] for y in range(4) for x in range(3)], float)
    rgb = position_colours(places)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.array(SEEN[by]).T).clip(0, 1)
    srgb = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(srgb[None])[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    assert apart[~np.eye(len(lab), dtype=bool)].min() > 10


def test_one_place_has_a_colour_and_none_has_none():
    assert position_colours(np.array([[3.0, 4.0]])).shape == (1, 3)
    assert position_colours(np.empty((0, 2))).shape == (0, 3)


@examples(40)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 60)), min_size=1, max_size=6))
def test_labels_stay_inside_the_image_where_one_fits(points):
    xy, extent = np.array(points, float), np.array([100.0, 60.0])
    corners = label_corners(xy, extent)
    places = xy + 7 * corners
    assert np.abs(corners).tolist() == np.ones((len(xy), 2)).tolist()
    assert ((places >= 4.5) & (places <= extent - 4.5))[fits(xy, extent)].all()


def fits(xy, extent):
    """Whether a label at some corner of each point lies inside: always, where the image is large."""
    return ((xy >= 0) & (xy <= extent)).all(axis=1) & (extent > 2 * (7 + 4.5)).all()


def test_a_label_turns_away_from_a_neighbour():
    xy, extent = np.array([[50.0, 50.0], [56.0, 44.0]]), np.array([100.0, 100.0])
    first, _ = label_corners(xy, extent).tolist()
    assert first == [-1, -1]
