"""KAP and PCK of plain arrays: numbers by hand, and arguments that cannot be."""

import inspect
import math

import numpy as np
import pytest
import torch

from kapbench.arrays import kap, pck
from kapbench.errors import KapbenchError
from kapbench.types import Grid

SQUARE = (400, 400)
CELL_PX = 400 / 60


def peaks(*cells: int) -> np.ndarray:
    maps = np.zeros((len(cells), 60, 60), np.float32)
    for number, cell in enumerate(cells):
        maps[number, cell // 60, cell % 60] = 1 + number
    return maps


def middle(cell: int) -> list[float]:
    return [(cell % 60 + 0.5) * CELL_PX, (cell // 60 + 0.5) * CELL_PX]


def given(**changes):
    """One pair of two keypoints: the first found, the second not shown by the target."""
    whole = {
        "similarity": [peaks(605, 1210)],
        "target_xy": [np.array([middle(605), [math.nan, math.nan]])],
        "size_px": [180.0],
        "image_size": [SQUARE],
    }
    return whole | changes


def test_by_hand():
    # The absent keypoint's best match is surer than the right one: precision 1/2 at recall 1.
    assert kap(**given()) == 0.5
    assert pck(**given()) == 1.0
    far = [np.array([middle(3000), [math.nan, math.nan]])]
    assert pck(**given(target_xy=far)) == 0.0
    assert math.isnan(kap([], [], [], []))


def test_alpha_is_the_circles_radius():
    three_cells_away = [np.array([middle(608), [math.nan, math.nan]])]
    # 3 cells are 20 px: alpha of 180 px reaches them from 0.1111 on.
    found = [
        pck(**given(target_xy=three_cells_away), alpha=a, rule="pck-v1") for a in (0.11, 0.112)
    ]
    assert found == [0.0, 1.0]


def test_a_grid_of_ones_own():
    grid = Grid.stretched(SQUARE, 60, 60)
    assert kap(**given(), grids=[grid]) == kap(**given())


WRONG = {
    "alpha 0": ({"alpha": 0.0}, "alpha is 0"),
    "alpha -1": ({"alpha": -1.0}, "alpha is -1"),
    "alpha nan": ({"alpha": math.nan}, "alpha is nan"),
    "alpha 10": ({"alpha": 10}, "The alpha 10 is above 1"),
    "alpha above 1": ({"alpha": 1.01}, "The alpha 1.01 is above 1"),
    "alpha inf": ({"alpha": math.inf}, "alpha is inf"),
    "size 0": ({"size_px": [0.0]}, "size_px is 0"),
    "size inf": ({"size_px": [math.inf]}, "size_px is inf"),
    "size nan": ({"size_px": [math.nan]}, "size_px is nan"),
    "image 0": ({"image_size": [(0, 400)]}, r"image_size is \(0, 400\)"),
    "image -1": ({"image_size": [(400, -1)]}, r"image_size is \(400, -1\)"),
    "image of three": ({"image_size": [(400, 400, 3)]}, "image_size is"),
    "image of one": ({"image_size": [400]}, "image_size is 400"),
    "image of none": ({"image_size": [None]}, "image_size have type object"),
    "image of text": ({"image_size": [("400", "300")]}, "image_size have type"),
    "size of text": ({"size_px": ["180"]}, "size_px have type"),
    "size of two": ({"size_px": [(180, 90)]}, "size_px is"),
    "grid of others": (
        {"grids": [Grid.stretched(SQUARE, 30, 30)]},
        "30×30 cells, the maps have 60×60",
    ),
    "grid of no area": ({"grids": [Grid(60, 60, (5.0, 5.0, 5.0, 5.0))]}, "has 60×60 cells over"),
    "no grid": ({"grids": [(60, 60)]}, "is a tuple, not a kapbench Grid"),
    "point inf": ({"target_xy": [np.array([[1.0, 1.0], [math.inf, 1.0]])]}, "infinite"),
    "point half": (
        {"target_xy": [np.array([[1.0, 1.0], [math.nan, 1.0]])]},
        "a point with one NaN",
    ),
    "points of one": ({"target_xy": [np.ones((1, 2))]}, "do not match"),
    "maps nan": ({"similarity": [peaks(1, 2) * math.nan]}, "not all finite"),
    "maps huge": ({"similarity": [peaks(1, 2).astype(float) * 1e300]}, "not all finite in float32"),
    "maps flat": ({"similarity": [peaks(1, 2)[:, 0]]}, "do not match"),
    "maps not square": ({"similarity": [peaks(1, 2)[:, :30]]}, "do not cover a square letterbox"),
    "maps empty": ({"similarity": [peaks(1, 2)[:, :0, :0]]}, "0×0 cells"),
    "maps of text": ({"similarity": [peaks(1, 2).astype(str)]}, "similarity have type"),
    "maps with gradient": (
        {"similarity": [torch.zeros(2, 60, 60, requires_grad=True)]},
        "cannot be read as an array",
    ),
    "one list longer": ({"size_px": [1.0, 2.0]}, "different lengths"),
}


@pytest.mark.parametrize("function", [kap, pck])
@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_named(function, case):
    changes, said = WRONG[case]
    # Past the type hooks that only tests have: what a user would meet.
    with pytest.raises(KapbenchError, match=said) as caught:
        inspect.unwrap(function)(**given(**changes))
    assert caught.value.fix
    if not case.startswith(("alpha", "one")):
        assert caught.value.place == "pair 0"


def test_the_pair_is_named():
    two = {k: v * 2 for k, v in given().items()} | {"size_px": [180.0, -1.0]}
    with pytest.raises(KapbenchError, match="size_px is -1") as caught:
        kap(**two)
    assert caught.value.place == "pair 1"


@pytest.mark.parametrize(("function", "rule"), [(kap, "pck-v1"), (pck, "kap-v1"), (pck, "geo")])
def test_a_rule_of_another_kind(function, rule):
    with pytest.raises(KapbenchError, match=rule):
        function(**given(), rule=rule)


@pytest.mark.parametrize(("alpha", "fix"), [(10, "Write 0.1"), (5, "Write 0.05"), (840, "0.1 for")])
def test_a_percentage_for_alpha_is_refused_with_its_share(alpha, fix):
    with pytest.raises(KapbenchError) as caught:
        kap(**given(), alpha=alpha)
    assert fix in str(caught.value.fix)


def test_alpha_may_be_1():
    assert pck(**given(), alpha=1) == 1.0
