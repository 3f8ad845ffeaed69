"""Messages come back as they were sent; whatever breaks the format is refused before it is read."""

import io
import json

import numpy as np
import pytest

from kapbench.isolated import wire
from kapbench.isolated.wire import Message, WireError, read, write


def sent(message: Message) -> Message | None:
    pipe = io.BytesIO()
    write(pipe, message)
    pipe.seek(0)
    return read(pipe)


@pytest.mark.parametrize("kind", ["?", "u1", "i8", "f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3, 4)])
def test_arrays_come_back_to_the_bit(kind, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    received = sent(Message("maps", {"box": [0.1, 1 / 3]}, [array, array.T]))
    assert received.fields == {"box": [0.1, 1 / 3]}
    for before, after in zip([array, array.T], received.arrays, strict=True):
        assert after.dtype == before.dtype.newbyteorder("=")
        assert after.shape == before.shape
        assert np.array_equal(before, after)
        assert not after.flags.writeable


def test_longer_floats_are_shortened_to_those_of_the_format():
    array = np.array([1 / 3], np.longdouble)
    assert np.array_equal(sent(Message("maps", {}, [array])).arrays[0], array.astype(np.float64))


def test_a_closed_pipe_is_the_end():
    assert read(io.BytesIO(b"")) is None


def raw(header: object, after: bytes = b"") -> io.BytesIO:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(len(content).to_bytes(4, "little") + content + after)


def header(*arrays, kind="maps", fields=None):
    return {"kind": kind, "fields": {} if fields is None else fields, "arrays": list(arrays)}


@pytest.mark.parametrize(
    "file",
    [
        io.BytesIO(b"\x01"),
        io.BytesIO(b"\xff\xff\xff\xff"),
        raw(b"{"),
        raw(b"\xff\xfe"),
        raw(b"[" * 100_000),
        raw([]),
        raw({"kind": "maps"}),
        raw(header(kind=3)),
        raw(header(fields=[])),
        raw(b'{"kind": "maps", "fields": {"x": NaN}, "arrays": []}'),
        raw(header(["|O", [1]])),
        raw(header(["<f4", [-1]])),
        raw(header(["<f4", [1.0]])),
        raw(header(["<f4", [True]])),
        raw(header(["<f4", "11"])),
        raw(header([["<f4"], [1]])),
        raw(header(["<f4", [1] * 9])),
        raw(header(["<f8", [2**20, 2**20]])),
        raw(header(["<f8", [2**31, 2**31, 0]], ["<f8", [2**30]])),
        raw(header(["<f4", [2]]), b"1234567"),
        raw(header(*[["<f4", [0]]] * (wire.MOST_ARRAYS + 1))),
    ],
)
def test_what_breaks_the_format_is_refused(file):
    with pytest.raises(WireError):
        read(file)
