"""The published choices of a pose against numbers that the released code printed.

The numbers were printed by `get_distance` and `get_distance_mutual_nn` of GeoAware-SC's
utils/utils_correspondence.py and by `normalize_feats` of its pck_train.py (99fd6b6), run on a CPU on
the inputs below; of `normalize_feats`, the widths were those below.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional

from kapbench.types import Grid
from kapbench_baselines.geoaware.pose_choice import CHOICES, object_cells
from kapbench_baselines.geoaware.zeroshot import unit_features

GRID = Grid(60, 60, (0, 0, 960, 960))
PUBLISHED = {  # distance of the source, and of its other pose, to the target
    "published-mutual": (0.22171849, 0.20638105),
    "published-mask": (0.57690078, 0.46578035),
}


def unit_map(seed):
    """A smooth map of 6 channels with noise, [6 60 60]."""
    rng = np.random.default_rng(seed)
    small = torch.from_numpy(rng.normal(size=(1, 6, 5, 5)).astype(np.float32))
    noise = torch.from_numpy(rng.normal(size=(6, 60, 60)).astype(np.float32))
    return unit_features(
        functional.interpolate(small, (60, 60), mode="bilinear")[0] + 0.2 * noise, None
    )


def ellipse(seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:960, :960]
    (cx, cy), (rx, ry) = rng.uniform(300, 660, 2), rng.uniform(120, 300, 2)
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_distances_are_those_of_the_released_code(name):
    choice = CHOICES[name]
    source, other, target = (
        choice.features(unit_map(seed), GRID, ellipse(mask)).float()
        for seed, mask in ((0, 2), (5, 6), (1, 3))
    )
    distances = choice.distance(source, target), choice.distance(other, target)
    assert distances == pytest.approx(PUBLISHED[name], abs=3e-5)  # cells on masks are fp16


def test_parts_are_normalised_as_in_the_released_code():
    """The last part apart from the others, then all together: SD's three layers, and DINOv2's."""
    values = torch.from_numpy(np.random.default_rng(4).normal(size=(4, 9)).astype(np.float32))
    unit = unit_features(values.T.reshape(9, 2, 2), (2, 3, 1, 3)).flatten(1)
    expected = [-0.18286788, -0.04901905, 0.46677783, 0.18493186, -0.4605138]
    expected += [-0.00145984, -0.25465256, 0.06070826, -0.65686119]
    torch.testing.assert_close(unit[:, 0], torch.tensor(expected))
    torch.testing.assert_close(unit[6:].norm(dim=0), torch.full((4,), 0.5**0.5))


@pytest.mark.parametrize("size", [(480, 240), (240, 480)])
def test_the_padding_of_a_letterbox_is_not_on_the_object(size):
    width, height = size
    cells = object_cells(Grid.letterbox(size, 60, 840), np.ones((height, width), bool))
    cells = cells.reshape(64, 64).numpy()
    assert cells.sum() == 64 * 32
    assert cells.any(axis=0).sum() == (64 if width > height else 32)


def test_an_empty_mask_leaves_nothing_to_compare():
    choice, nothing = CHOICES["published-mask"], np.zeros((960, 960), bool)
    empty = choice.features(unit_map(0), GRID, nothing).float()
    some = choice.features(unit_map(0), GRID, ellipse(2)).float()
    assert np.isnan([choice.distance(empty, some), choice.distance(some, empty)]).all()


def test_cosines_are_summed_over_mutual_neighbours_alone():
    """Two of three source cells choose target 0; only the nearer one is chosen back."""
    source = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    target = torch.tensor([[1.0, 0.0], [-0.6, 0.8]])
    assert CHOICES["cosine-sum"].distance(source, target) == pytest.approx(-(1 + 0.8) / 3)
