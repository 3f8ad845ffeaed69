"""MATLAB files: the same numbers as scipy reads, and an error for any damage."""

import io
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from kapbench.datasets import mat_file
from kapbench.datasets.mat_file import read_field, read_numbers
from kapbench.errors import KapbenchError

REAL = Path(os.environ.get("KAPBENCH_DATA", "none"))
PLACE, FIX = Path("mine.mat"), "Fetch it again"
ARRAYS = [
    np.random.default_rng(0).random((3, 2)),
    np.array([[1.5, np.nan]]),
    np.arange(6, dtype=np.uint8).reshape(2, 3),
    np.arange(-3, 3).reshape(2, 3),
    np.float32([[[1, 2], [3, 4]]]),
    np.ones((1, 1)),
    np.zeros((0, 0)),
]


def saved(compressed=True, **variables):
    file = io.BytesIO()
    savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def structs(n=5):
    images = np.zeros((1, n), dtype=[("id", object), ("rel_path", object), ("bbox", object)])
    for i in range(n):
        images[0, i] = (i + 3, f"bird_{i}.jpg", {"x1": 1.5, "y1": 2.0})
    return images


@pytest.mark.parametrize("array", ARRAYS, ids=str)
@pytest.mark.parametrize("compressed", [True, False])
def test_the_numbers_are_those_of_scipy(array, compressed):
    content = saved(compressed, first="text", x=array, last=np.array([1, "a"], object))
    numbers, expected = (read_numbers(content, "x", PLACE, FIX), loadmat(io.BytesIO(content))["x"])
    assert numbers.dtype == expected.dtype
    np.testing.assert_array_equal(numbers, expected)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real data sets: set KAPBENCH_DATA")
def test_every_real_file_is_read_as_scipy_reads_it():
    files = sorted(REAL.rglob("*.mat"))
    assert len(files) > 200
    for file in files:
        for name, expected in loadmat(file).items():
            if not name.startswith("__") and expected.dtype.kind == "f":
                numbers = read_numbers(file.read_bytes(), name, file, FIX)
                assert numbers.dtype == expected.dtype
                np.testing.assert_array_equal(numbers, expected)


@pytest.mark.parametrize("compressed", [True, False])
def test_numbers_in_structs(compressed):
    content = saved(compressed, images=structs())
    ids = read_field(content, "images", "id", PLACE, FIX)
    assert [number.item() for number in ids] == [3, 4, 5, 6, 7]


def test_the_other_byte_order():
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    matrix = struct.pack(">IIII", 6, 8, 6, 0) + struct.pack(">IIii", 5, 8, 2, 3)
    matrix += struct.pack(">HH4s", 1, 1, b"x") + struct.pack(">II", 9, 48)
    matrix += values.T.astype(">f8").tobytes()
    content = b" " * 124 + b"\1\0MI" + struct.pack(">II", 14, len(matrix)) + matrix
    np.testing.assert_array_equal(read_numbers(content, "x", PLACE, FIX), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no matlab", "not a MATLAB file of version 5 to 7"),
        (b"MATLAB 7.3 MAT-file".ljust(600), "of MATLAB 7.3"),
        (saved(y=np.ones(2)), "0 variables"),
        (saved(x="text"), "not of real numbers"),
        (saved(x=np.array([[1j]])), "not of real numbers"),
        (saved(x=structs()), "not of real numbers"),
        (saved(x=np.ones(2)) + saved(x=np.ones(2))[128:], "2 variables"),
        (saved(x=np.ones(2))[:-1], "ends too early"),
        (saved(False, x=np.ones(2))[:-1], "ends too early"),
        (saved(False, x=np.ones(2))[:150], "ends too early"),
    ],
)
def test_what_is_refused(content, message):
    with pytest.raises(KapbenchError, match=message) as error:
        read_numbers(content, "x", PLACE, FIX)
    assert (error.value.place, error.value.fix) == (PLACE, FIX)


def test_a_number_that_its_class_cannot_hold():
    matrix = struct.pack("<IIII", 6, 8, 8, 0) + struct.pack("<IIii", 5, 8, 1, 1)
    matrix += struct.pack("<HH4s", 1, 1, b"x") + struct.pack("<IIII", 6, 4, 300, 0)
    content = b" " * 124 + b"\0\1IM" + struct.pack("<II", 14, len(matrix)) + matrix
    with pytest.raises(KapbenchError, match="numbers that its class cannot hold"):
        read_numbers(content, "x", PLACE, FIX)


@pytest.mark.parametrize(
    ("variable", "field", "message"),
    [(structs(), "number", "no such field"), (np.ones(2), "id", "not a struct")],
)
def test_fields_that_are_refused(variable, field, message):
    with pytest.raises(KapbenchError, match=message):
        read_field(saved(images=variable), "images", field, PLACE, FIX)


def test_a_variable_that_unfolds_without_end(monkeypatch):
    monkeypatch.setattr(mat_file, "MAX_UNFOLDED", 1000)
    folded = zlib.compress(bytes(100_000))
    content = saved(x=np.ones(2)) + struct.pack("<II", 15, len(folded)) + folded
    with pytest.raises(KapbenchError, match=re.escape("more than 1,000 bytes")):
        read_numbers(content, "x", PLACE, FIX)


@pytest.mark.parametrize("compressed", [True, False])
def test_any_damage_is_an_error_or_changes_a_number(compressed):
    content, random = (
        saved(compressed, images=structs(), x=np.ones((3, 2))),
        np.random.default_rng(0),
    )
    n_refused = 0
    for _ in range(500):
        damaged = bytearray(content)
        for _ in range(random.integers(1, 4)):
            damaged[random.integers(len(damaged))] = random.integers(256)
        cut = bytes(damaged[: random.integers(len(damaged))]) if random.random() < 0.2 else damaged
        for read in (
            lambda b: read_field(b, "images", "id", PLACE, FIX),
            lambda b: read_numbers(b, "x", PLACE, FIX),
        ):
            try:
                read(bytes(cut))
            except KapbenchError:
                n_refused += 1
    assert n_refused > 100
