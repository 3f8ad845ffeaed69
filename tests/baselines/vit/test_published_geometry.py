"""DINO's cells and predicted points as sd-dino scores them, against the numbers it computes."""

import numpy as np
import pytest
from frozen_vits import made, offline
from pictures import picture

from kapbench.errors import KapbenchError
from kapbench.scoring.grid_geometry import argmax_cells, decode_cells, source_cells
from kapbench.scoring.rules import PckRule, load_rule
from kapbench.types import Grid, Letterbox
from kapbench_baselines.vit.overlapping_patches import check_cells, grid_of

SIZE = (301, 200)
# pck_spair_pascal.py of Junyi42/sd-dino @b85df18 with --ONLY_DINO --DINOV1 (224 px, patch 8, stride
# 4): its source patches of these points, and its predicted x, y of 224 px for these best patches.
POINTS = np.random.default_rng(0).random((8, 2)) * SIZE
SOURCE_PATCHES = [1025, 497, 2354, 1958, 2394, 539, 597, 865]
BEST = np.array([270, 2611, 66, 1637, 243, 906, 1455, 1278])
X = [203.5, 107.5, 47.5, 171.5, 95.5, 107.5, 103.5, 55.5]
Y = [19.5, 191.5, 7.5, 119.5, 19.5, 67.5, 107.5, 95.5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("dino")
    made("dino", 8, 224, depth=1).save_pretrained(path)
    return path


def grid(cells):
    return grid_of(SIZE, 224, 8, 4, cells)


def decode(name):
    rule = load_rule(name)
    assert isinstance(rule, PckRule)
    return rule.decode


def test_source_cells_are_the_published_ones():
    points = POINTS.astype(np.float32)
    assert source_cells(grid("square"), SIZE, points).tolist() == SOURCE_PATCHES
    assert source_cells(grid("patches"), SIZE, points).tolist() != SOURCE_PATCHES


def test_predicted_points_are_the_published_ones():
    square = grid("square")
    cells = argmax_cells(BEST, square)
    found = decode_cells(decode("pck-sd-dino-dinov1"), square, SIZE, cells)
    np.testing.assert_allclose(found, np.stack([X, Y], axis=1), atol=1e-5)


def test_the_true_centres_lie_half_a_pixel_behind_the_published_points():
    """Centres in continuous pixels are 4 i + 4; the field's 4 i + 3.5 counts pixels from 0."""
    frame = Letterbox(SIZE, 224)
    cells = argmax_cells(BEST, grid("patches"))
    centres = decode_cells(decode("pck-v1"), grid("patches"), SIZE, cells)
    in_frame = frame.to_frame(centres)
    np.testing.assert_allclose(in_frame, np.stack([X, Y], axis=1) + 0.5, atol=1e-3)


@pytest.mark.parametrize(
    "other",
    [
        grid("patches"),
        Grid.letterbox(SIZE, 16, 224),
        Grid.letterbox(SIZE, 27, 224),
        Grid.letterbox(SIZE, 28, 224),
        Grid.stretched(SIZE, 55, 55),
    ],
)
def test_the_rule_is_refused_on_any_other_grid(other):
    """On 16×16 cells it would predict 12.7 where the first centre is at 6.5."""
    with pytest.raises(KapbenchError, match="defined only for 55×55 cells over a letterbox of 224"):
        decode_cells(decode("pck-sd-dino-dinov1"), other, SIZE, np.eye(2))


def test_the_option_changes_the_grid_and_the_revision_alone(folder):
    options = {"layer": 0, "facet": "token"}
    plain, square = (
        offline("dino.vits8", folder, **options, **more) for more in ({}, {"cells": "square"})
    )
    assert square.revision == f"{plain.revision}-square"
    assert square.options == {**plain.options, "cells": "square"}
    (one,), (other,) = (m.encode([picture(60, 40)]) for m in (plain, square))
    np.testing.assert_array_equal(one.values, other.values)
    assert other.grid == Grid.letterbox((60, 40), 55, 224) != one.grid


def test_an_unknown_choice_of_cells():
    with pytest.raises(KapbenchError, match="Unknown cells 'round'"):
        check_cells("dino.vits8", "round")
