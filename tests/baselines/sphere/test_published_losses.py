"""The losses, the mapper and the prototypes against numbers that the released code printed.

VICO-UoE/SphericalMaps @620fe28: dino_mapper.py, its functions and modules called on inputs drawn
here; `random.choices` was replaced by draws of the same generator.
"""

import numpy as np
import pytest
import torch
from original_sphere import GRID, N_IMAGES, N_TRIPLETS, WIDTH, Inputs, original_inputs
from torch import Tensor

from kapbench_baselines.sphere import losses
from kapbench_baselines.sphere.mapper import SphereMapper
from kapbench_baselines.sphere.objective import Batch, positions, terms
from kapbench_baselines.sphere.settings import PAPER

# sphere_loss_prototypes_implicit, triplet_distance_loss, triplet_orientation_loss and
# relative_viewpoint_loss, in this order.
LOSSES = [0.98749393, 0.52289569, 1.39162111, 0.58563989]
FIRST_POINTS = [[0.54886580, -0.53135705, -0.64529538], [-0.63425893, -0.76570308, -0.10683854]]
LAST_POINT = [-0.76661587, -0.53421861, 0.35624513]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return original_inputs()


def test_the_mapper_gives_the_original_points(inputs: Inputs) -> None:
    with torch.inference_mode():
        points = inputs.mapper(inputs.tokens.transpose(1, 2))
    np.testing.assert_allclose(points[0, :2], FIRST_POINTS, atol=2e-6)
    np.testing.assert_allclose(points[1, -1], LAST_POINT, atol=2e-6)


def corners(values: Tensor, drawn: Tensor) -> Tensor:
    return torch.stack([v[d] for v, d in zip(values, drawn, strict=True)])


def every_position() -> Tensor:
    cell = torch.arange(GRID**2).expand(N_IMAGES, -1)
    return positions(cell // GRID, cell % GRID, GRID, PAPER.losses)


def test_each_loss_is_the_original_number(inputs: Inputs) -> None:
    category, azimuth_bin = torch.tensor([0, 2, 1, 1]), torch.tensor([0, 3, 6, 1])
    weight, xy = torch.ones(N_IMAGES, N_TRIPLETS), every_position()
    with torch.inference_mode():
        decoded = inputs.decoder(inputs.points, category)
        found = [
            losses.reconstruction(decoded, inputs.features, inputs.on_object.float()),
            losses.relative_distance(
                corners(inputs.points, inputs.distance),
                corners(xy, inputs.distance),
                weight,
                PAPER.losses.margin,
                ties=True,
            ),
            losses.orientation(
                corners(inputs.points, inputs.orientation),
                corners(xy, inputs.orientation),
                weight,
                PAPER.losses.min_determinant,
            ),
            losses.viewpoint(losses.mean_points(inputs.points, inputs.on_object), azimuth_bin),
        ]
    np.testing.assert_allclose(found, LOSSES, rtol=2e-5)


def test_ties_are_part_of_the_original_number(inputs: Inputs) -> None:
    triplets = corners(inputs.points, inputs.distance), corners(every_position(), inputs.distance)
    weight = torch.ones(N_IMAGES, N_TRIPLETS)
    without = losses.relative_distance(*triplets, weight, PAPER.losses.margin)
    assert abs(float(without) - LOSSES[1]) > 0.005


def test_the_papers_objective_counts_what_the_released_code_counts(inputs: Inputs) -> None:
    """An image of one object token has 32 tied triplets, each of which costs the margin."""
    one = torch.zeros(1, GRID**2, dtype=torch.bool)
    one[0, 5] = True
    batch = Batch(
        inputs.features[:1], one, every_position()[:1], torch.zeros(1).long(), torch.zeros(1).long()
    )
    mapper = SphereMapper(WIDTH, 64, 1).eval()
    with torch.inference_mode():
        found = terms(batch, mapper, inputs.decoder, PAPER.losses, torch.Generator().manual_seed(0))
    assert float(found[1]) == pytest.approx(PAPER.losses.margin)
    assert float(found[2]) == 0.0
    assert float(found[3]) == pytest.approx(0.0, abs=1e-6)
