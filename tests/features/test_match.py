"""Similarity of cells, and DIFT's argmax over pixels, against plain versions."""

import numpy as np
import pytest
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from kapbench.features.match import distinct, features_at, pixel_argmax, similarity
from kapbench.models.cached_map import CachedMap
from kapbench.types import Grid


def a_map(seed: int, height: int, width: int, channels: int = 6, box=None) -> CachedMap:
    rng = np.random.default_rng(seed)
    cells = rng.normal(0, 2, (height * width, channels)).astype(np.float16)
    return CachedMap(cells, Grid(height, width, box or (0.0, 0.0, width * 7.0, height * 5.0)))


def test_dot_is_the_cosine():
    target, source = a_map(0, 3, 4), a_map(1, 2, 2).cells
    s, t = source.astype(np.float64), target.cells.astype(np.float64)
    expected = (s @ t.T) / np.linalg.norm(s, axis=1)[:, None] / np.linalg.norm(t, axis=1)
    np.testing.assert_allclose(similarity(source, target, "dot"), expected, atol=1e-6)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["dot", "neg_l2"])
def test_the_number_of_threads_changes_no_bit_and_is_left_as_it_was(threads, kind):
    target, source = a_map(0, 60, 60, 304), a_map(1, 6, 6, 304).cells
    for n_queries in (1, 7, 36):  # 7: where two threads cut the sums differently
        found = []
        for n_threads in (1, 2):
            threads(n_threads)
            found.append(similarity(source[:n_queries], target, kind))
            assert torch.get_num_threads() == n_threads
        np.testing.assert_array_equal(*found)


def test_the_number_of_threads_moves_no_pixel(threads):
    target, source = a_map(0, 20, 20, 304), a_map(1, 4, 4, 304)
    queries = features_at(source, np.array([[3.0, 4.0], [20.0, 11.0]]), (28, 20))
    found = []
    for n_threads in (1, 2):
        threads(n_threads)
        found.append(pixel_argmax(queries, target, (140, 100)))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("scale", [1.0, 40.0])
@pytest.mark.parametrize("n_queries", [2, 40])
def test_neg_l2_is_the_distance(scale, n_queries):
    target = a_map(0, 8, 8, 32)
    target = CachedMap((target.cells * np.float16(scale)), target.grid)
    source = target.cells[:n_queries]
    s, t = source.astype(np.float64), target.cells.astype(np.float64)
    expected = -np.linalg.norm(s[:, None] - t[None], axis=2)
    found = similarity(source, target, "neg_l2")
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * scale)
    assert (found[np.arange(n_queries), np.arange(n_queries)] == 0).all()


@pytest.mark.parametrize("kind", ["dot", "neg_l2"])
def test_no_queries_have_no_similarities(kind):
    target = a_map(0, 3, 4)
    assert similarity(target.cells[:0], target, kind).shape == (0, 12)


def test_a_feature_of_length_zero_is_similar_to_nothing():
    target = a_map(0, 2, 2)
    target.cells[1] = 0
    source = np.stack([target.cells[0], np.zeros(6, np.float16)])
    found = similarity(source, target, "dot")
    assert found[0, 0] == pytest.approx(1, abs=1e-6)
    assert (found[:, 1] == 0).all()
    assert (found[1] == 0).all()


@examples(30)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=0, max_size=12))
def test_distinct_finds_each_image_and_cell_once(asked):
    images, cells = np.array(asked, np.int64).reshape(-1, 2).T
    first, inverse = distinct(cells, images)
    assert len(first) == len(set(asked))
    assert [asked[i] for i in first[inverse]] == asked


def test_queries_of_one_cell_tie_exactly():
    """A plain product over all rows need not give equal rows equal results."""
    target = a_map(0, 60, 60, 24)
    cells = np.array([5, 9, 5, 700, 9, 5])
    first, inverse = distinct(cells, np.zeros(6, np.int64))
    maps = similarity(target.cells[cells[first]], target, "dot")[inverse]
    np.testing.assert_array_equal(maps[0], maps[2])
    np.testing.assert_array_equal(maps[0], maps[5])
    np.testing.assert_array_equal(maps[1], maps[4])
    assert not np.array_equal(maps[0], maps[1])


def upsampled(features: CachedMap, size: tuple[int, int]) -> torch.Tensor:
    """[c h w] at every pixel, as torch interpolates a map over the whole image."""
    grid = features.grid
    maps = torch.from_numpy(features.cells.astype(np.float32)).T
    maps = maps.reshape(1, -1, grid.height, grid.width)
    width, height = size
    return torch.nn.functional.interpolate(
        maps, (height, width), mode="bilinear", align_corners=False
    )[0]


@examples(20)
@given(
    st.integers(0, 2**31),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(6, 80), st.integers(6, 80)),
)
def test_dift_is_interpolation_then_cosine_then_argmax(seed, cells, size):
    height, width = cells
    source, target = (
        a_map(s, height, width, box=(0.0, 0.0, float(size[0]), float(size[1])))
        for s in (seed, seed + 1)
    )
    rng = np.random.default_rng(seed)
    xy = np.stack([rng.uniform(0, size[0] - 1, 4), rng.uniform(0, size[1] - 1, 4)], axis=1)
    pixel = np.around(xy).astype(int)
    queries = features_at(source, xy, size)
    expected = upsampled(source, size)[:, pixel[:, 1], pixel[:, 0]].T
    np.testing.assert_allclose(queries, expected.numpy(), atol=1e-4)
    everywhere = torch.nn.functional.normalize(upsampled(target, size).flatten(1), dim=0)
    cosine = torch.nn.functional.normalize(expected, dim=1) @ everywhere
    found = pixel_argmax(queries, target, size).astype(int)
    reached = cosine[torch.arange(4), torch.from_numpy(found[:, 1] * size[0] + found[:, 0])]
    np.testing.assert_allclose(reached, cosine.max(dim=1).values, atol=1e-5)


def test_dift_in_a_letterbox_looks_at_the_image_only():
    """Cells over the padding are there to be interpolated with, never to be predicted."""
    size = (40, 20)
    grid = Grid.letterbox(size, 4, 840)  # the image covers rows 1 and 2
    cells = np.eye(16, dtype=np.float16)
    found = pixel_argmax(np.eye(16, dtype=np.float32), CachedMap(cells, grid), size)
    assert ((found >= 0) & (found < size)).all()
    # Cells of 10 px: cell 5 (column 1, row 1) has its centre at (15, 5): pixels 14 or 15, 4 or 5.
    assert found[5][0] in (14, 15)
    assert found[5][1] in (4, 5)


def test_dift_takes_the_first_of_equal_pixels_across_strips():
    flat = CachedMap(np.ones((4, 3), np.float16), Grid.stretched((50, 100), 2, 2))
    found = pixel_argmax(np.ones((1, 3), np.float32), flat, (50, 100))
    everything = upsampled(flat, (50, 100))
    assert torch.allclose(everything, torch.ones(()))
    assert found.tolist() == [[0, 0]]


@given(st.integers(0, 50), st.integers(-100, 100), st.integers(-100, 100))
def test_distances_are_those_of_the_maps_in_their_own_scale(seed, of_source, of_target):
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(6, 4)).astype(np.float16)
    queries = rng.normal(size=(3, 4)).astype(np.float16)
    target = CachedMap(cells, Grid(2, 3, (0, 0, 3, 2)), of_target)
    exponents = np.array([of_source, 0, of_target])
    scaled = np.ldexp(queries.astype(np.float64), exponents[:, None])
    right = np.ldexp(cells.astype(np.float64), of_target)
    expected = -np.linalg.norm(scaled[:, None] - right[None], axis=2)
    found = similarity(queries, target, "neg_l2", exponents=exponents)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
