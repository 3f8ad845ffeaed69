"""Bytes stand for features: how near they are, and what is left where they may be few."""

import numpy as np
import pytest

from kapbench.features.match import similarity as exact_similarity
from kapbench.models.cached_map import to_cells
from kapbench.types import FeatureMap, Grid
from kapbench_leaderboard.explore.coarsen import coarsened, fitting_shape
from kapbench_leaderboard.explore.fidelity import measure
from kapbench_leaderboard.explore.quantise import quantise

SIZE = (96, 72)


def smooth_maps(n: int, channels: int = 40, height: int = 18, width: int = 24) -> list[FeatureMap]:
    """Features of very different lengths that change gradually, as those of a network."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / 6.0
    frequency = rng.normal(size=(channels, 2))
    scale = np.exp(2 * rng.normal(size=(channels, 1, 1)))
    out = []
    for _ in range(n):
        phase = rng.uniform(0, 6, (channels, 1, 1))
        waves = np.sin(frequency[:, :1, None] * x + frequency[:, 1:, None] * y + phase)
        values = scale * waves + 0.1 * rng.normal(size=waves.shape)
        out.append(FeatureMap(values.astype(np.float32), Grid.stretched(SIZE, height, width)))
    return out


def by_cell(maps: list[FeatureMap]) -> list[tuple[np.ndarray, Grid]]:
    return [(m.values.reshape(len(m.values), -1).T.copy(), m.grid) for m in maps]


@pytest.mark.parametrize("similarity", ["dot", "neg_l2"])
def test_similarity_is_that_of_the_full_features(similarity):
    maps = smooth_maps(3)
    full = [to_cells(m) for m in maps]
    model = quantise(by_cell(maps), similarity, 10**6)
    assert model.maps[0].values.shape == (18 * 24, 40)
    fidelity = measure(full, model)
    assert fidelity.within_one_cell > 0.97
    assert fidelity.largest_error < 0.01
    assert not fidelity.is_low
    cells = np.arange(0, 432, 9)
    exact = exact_similarity(full[0].cells[cells], full[1], similarity)
    page = model.similarities(0, cells, 1)
    worst = np.abs(page - exact).max() / fidelity.span
    assert 0 < worst < 0.01
    if similarity == "neg_l2":  # lengths are kept: distances are in the features' own unit
        assert fidelity.span > 10


def test_vectors_have_length_1_where_only_their_direction_counts():
    model = quantise(by_cell(smooth_maps(1)), "dot", 10**6)
    np.testing.assert_allclose(np.linalg.norm(model.features(0), axis=1), 1, atol=1e-6)


def test_a_feature_of_length_0_is_similar_to_nothing():
    (values, grid), *_ = by_cell(smooth_maps(1))
    values[5] = 0
    model = quantise([(values, grid)], "dot", 10**6)
    assert not model.similarities(0, np.array([5]), 0).any()


def test_few_bytes_make_a_coarse_grid_and_a_warning():
    maps = smooth_maps(2)
    most_bytes = 44 * 60  # of 44 for a cell: 60 cells
    model = quantise(by_cell(maps), "dot", most_bytes)
    grid = model.maps[0].grid
    assert grid.box == maps[0].grid.box
    assert (grid.height, grid.width) == (6, 8)
    assert model.maps[0].values.nbytes + model.maps[0].cell_scales.nbytes <= most_bytes
    fidelity = measure([to_cells(m) for m in maps], model)
    assert fidelity.is_low
    assert fidelity.sentence().startswith("Low fidelity: ")
    assert "coarser" in fidelity.sentence()


def test_fidelity_notices_features_of_another_image():
    maps = smooth_maps(3)
    model = quantise(by_cell([maps[0], maps[2], maps[1]]), "dot", 10**6)
    assert measure([to_cells(m) for m in maps], model).within_one_cell < 0.5


def test_coarser_cells_are_means_over_their_area():
    grid = Grid(4, 6, (0.0, 0.0, 6.0, 4.0))
    cells = np.arange(24, dtype=np.float32)[:, None]
    means, coarse = coarsened(cells, grid, 2, 3)
    assert coarse == Grid(2, 3, grid.box)
    assert means[:, 0].tolist() == [3.5, 5.5, 7.5, 15.5, 17.5, 19.5]
    means, _ = coarsened(cells, grid, 3, 4)  # cells that do not divide evenly
    assert means.mean() == pytest.approx(cells.mean())
    assert coarsened(cells, grid, 4, 6)[0] is cells


@pytest.mark.parametrize(
    ("most", "shape"), [(24, (4, 6)), (100, (4, 6)), (23, (3, 5)), (6, (2, 3)), (0, (1, 1))]
)
def test_a_grid_keeps_its_proportions(most, shape):
    assert fitting_shape(Grid(4, 6, (0.0, 0.0, 6.0, 4.0)), most) == shape
