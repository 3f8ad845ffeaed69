"""The feature cache: what is written is what is read, or it is known to be damaged."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.models.cached_map import to_cells
from kapbench.types import FeatureMap, Grid

GRID = Grid(3, 4, (-1.25, 0.1, 99.9, 75.0))


def a_map(seed: int = 0, grid: Grid = GRID, channels: int = 5) -> FeatureMap:
    values = np.random.default_rng(seed).normal(0, 3, (channels, grid.height, grid.width))
    return FeatureMap(values.astype(np.float32), grid)


@pytest.fixture
def cache(tmp_path) -> FeatureCache:
    return FeatureCache(tmp_path, "encoder")


@examples(15)
@given(st.integers(0, 99), st.integers(1, 6), st.integers(1, 6), st.integers(1, 9))
def test_what_is_read_is_what_was_written_in_fp16(tmp_path_factory, seed, height, width, channels):
    cache = FeatureCache(tmp_path_factory.mktemp("cache"), "encoder")
    grid = Grid(height, width, (0.1, -3.7, 1 / 3, 5e3))
    given_map = a_map(seed, grid, channels)
    cache.write("abc", given_map)
    assert cache.verify("abc") is True
    read = cache.read("abc")
    assert read.grid == cache.grid("abc") == grid
    expected = given_map.values.astype(np.float16).reshape(channels, -1).T
    np.testing.assert_array_equal(read.cells, expected)
    assert read.cells.dtype == np.float16
    cells = np.random.default_rng(seed).integers(0, grid.n_cells, 7)
    np.testing.assert_array_equal(cache.rows("abc", cells), read.cells[cells])


def test_no_cells_are_no_rows(cache):
    cache.write("abc", a_map())
    assert cache.rows("abc", np.empty(0, np.int64)).shape == (0, 5)


def test_fp16_rounds_to_the_nearest():
    one = Grid(1, 1, (0, 0, 1, 1))
    values = np.array([1 + 2**-12, 1 + 2**-11 + 2**-13, 65504.0, 6e-8], np.float32)
    rounded = to_cells(FeatureMap(values.reshape(-1, 1, 1), one)).cells[0]
    assert rounded.tolist() == [1.0, 1 + 2**-10, 65504.0, 2.0**-24]


def test_what_is_not_there_is_neither_whole_nor_damaged(cache):
    assert cache.verify("abc") is None


@pytest.mark.parametrize("encoder", ["other"])
def test_encoders_do_not_share_files(tmp_path, cache, encoder):
    cache.write("abc", a_map())
    assert FeatureCache(tmp_path, encoder).verify("abc") is None


def test_any_flipped_byte_is_found(cache):
    cache.write("abc", a_map())
    path = cache.path("abc")
    content = path.read_bytes()
    before = cache.read("abc")
    assert cache.verify("abc")
    n_damaged, flips = 0, (1, 0x20)
    for place in range(len(content)):
        for flip in flips:
            changed = bytearray(content)
            changed[place] ^= flip
            path.write_bytes(bytes(changed))
            if cache.verify("abc"):  # harmless: padding or a key's spelling that nobody reads
                after = cache.read("abc")
                assert after.grid == before.grid
                np.testing.assert_array_equal(after.cells, before.cells)
            else:
                n_damaged += 1
    assert n_damaged > 0.9 * len(flips) * len(content)


@pytest.mark.parametrize("keep", [0, 1, 8, 40, -1])
def test_a_truncated_file_is_damaged(cache, keep):
    cache.write("abc", a_map())
    path = cache.path("abc")
    path.write_bytes(path.read_bytes()[:keep])
    assert cache.verify("abc") is False


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"schema": "1"},
        {"schema": "99", "grid": "[]", "sha256": ""},
        {"schema": "2"},
        {"schema": "2", "sha256": "x"},
    ],
)
def test_a_file_of_another_make_is_damaged(cache, metadata):
    path = cache.path("abc")
    path.parent.mkdir(parents=True)
    save_file({"features": np.zeros((12, 5), np.float16)}, path, metadata)
    assert cache.verify("abc") is False


def test_a_file_without_features_is_damaged(cache):
    cache.write("abc", a_map())
    save_file(
        {"other": np.zeros(3, np.float16)},
        cache.path("abc"),
        {"schema": "2", "grid": "[]", "sha256": ""},
    )
    assert cache.verify("abc") is False


def test_no_pickle_is_read(cache):
    import pickle

    path = cache.path("abc")
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps({"features": np.zeros(3)}))
    assert cache.verify("abc") is False


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            np.nan,
            r"1 of 60 features are not finite.* nan in channel 1 of the cell in row 2, column 3",
        ),
        (np.inf, "1 of 60 features are not finite"),
        (-np.inf, "1 of 60 features are not finite"),
        (1e37, "1 of 60 features are not finite, or are beyond 1.3e36"),
        (-1e30, r"Features reach 1e\+30, and 11 of 12 cells have none that fp16 can hold"),
    ],
)
def test_features_that_fp16_cannot_hold_are_refused_and_nothing_is_written(cache, bad, said):
    given_map = a_map()
    given_map.values[1, 2, 3] = bad
    with pytest.raises(KapbenchError, match=said):
        cache.write("abc", given_map)
    assert not list(cache.root.rglob("*"))


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 12), (5, 3, 4, 1), (12,)])
def test_a_shape_that_is_not_the_grids_is_refused(cache, shape):
    values = np.zeros(shape, np.float32)
    misshapen = FeatureMap.__new__(FeatureMap)
    object.__setattr__(misshapen, "values", values)
    object.__setattr__(misshapen, "grid", GRID)
    with pytest.raises(KapbenchError, match="its grid 3×4"):
        cache.write("abc", misshapen)
    assert not list(cache.root.rglob("*"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
@pytest.mark.parametrize("before", [False, True])
def test_a_write_that_is_interrupted_changes_nothing(cache, monkeypatch, error, before):
    if before:
        cache.write("abc", a_map(1))
    old = cache.read("abc").cells if before else None

    def interrupted(*_):
        raise error

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KapbenchError if isinstance(error, OSError) else KeyboardInterrupt):
        cache.write("abc", a_map(2))
    files = [p for p in cache.root.rglob("*") if p.is_file()]
    assert files == ([cache.path("abc")] if before else [])
    if before:
        assert cache.verify("abc")
        np.testing.assert_array_equal(cache.read("abc").cells, old)


def test_a_models_cache_is_its_own(tmp_path):
    def root(**changes):
        said = {"name": "m", "revision": "1", "conditions_on": ("mask", "category")} | changes
        model = SimpleNamespace(**said, similarity="dot", encode=lambda pictures: [])
        return FeatureCache.of(model, tmp_path).path("ab").parents[1]

    assert root() == root(conditions_on=("category", "mask"))
    changed = [{"name": "n"}, {"revision": "2"}, {"conditions_on": ()}]
    assert len({root(), *(root(**change) for change in changed)}) == 4
    assert root().parent == tmp_path / "features"


@examples(60)
@given(st.integers(0, 99), st.integers(-30, 30), st.floats(1, 9.99))
def test_a_map_of_any_scale_is_read_as_precisely_as_fp16_allows(seed, power, factor):
    values = a_map(seed).values * np.float64(factor * 10.0**power)
    read = to_cells(FeatureMap(values, GRID)).values()
    assert np.abs(read - values).max() <= np.abs(values).max() * 2.0**-11


@examples(40)
@given(st.integers(0, 99), st.integers(-100, 100))
def test_powers_of_two_beyond_the_normal_range_change_no_bit(seed, power):
    values = a_map(seed).values
    scaled = to_cells(FeatureMap(np.ldexp(values, power), GRID))
    normal = 2.0**-10 <= np.abs(np.ldexp(values, power)).max() < 65520
    assert (scaled.exponent == 0) == normal
    if not normal:
        expected = to_cells(FeatureMap(values, GRID)).values()
        np.testing.assert_array_equal(np.ldexp(scaled.values(), -power), expected)


def test_the_scale_is_stored_and_a_changed_one_is_damage(cache):
    given_map = FeatureMap(a_map().values * np.float32(1e-12), GRID)
    cache.write("abc", given_map)
    read = cache.read("abc")
    assert cache.verify("abc")
    assert (GRID, read.exponent) == cache.grid_and_exponent("abc")
    np.testing.assert_allclose(read.values(), given_map.values, rtol=2**-11)
    path = cache.path("abc")
    path.write_bytes(path.read_bytes().replace(f'"{read.exponent}"'.encode(), b'"-11"'))
    assert cache.verify("abc") is False


def test_a_file_of_bfloat16_is_damaged(cache):
    import torch
    from safetensors.torch import save_file as save_tensors

    cache.write("abc", a_map())
    metadata = {"schema": "2", "grid": "[3, 4, 0, 0, 1, 1]", "sha256": "0"}
    save_tensors(
        {"features": torch.zeros(12, 5, dtype=torch.bfloat16)}, cache.path("abc"), metadata
    )
    assert cache.verify("abc") is False


def test_a_pipe_in_the_cache_is_damaged_and_replaced(cache):
    cache.path("abc").parent.mkdir(parents=True)
    os.mkfifo(cache.path("abc"))
    assert cache.verify("abc") is False
    cache.write("abc", a_map())
    assert cache.verify("abc") is True
