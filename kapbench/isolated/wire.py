"""Messages between the evaluator and an isolated model: a header in JSON, then arrays as raw bytes.

Nothing in a message is executed, and every size is bounded before memory is taken for it.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

MOST_HEADER_BYTES = 2**22
MOST_ARRAY_BYTES = 2**32  # of all arrays of a message
MOST_ARRAYS, MOST_AXES = 2**13, 8
_LENGTH = struct.Struct("<I")
_TYPES = frozenset(
    np.dtype(name).str
    for name in ("?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
)


class WireError(Exception):
    """A message that breaks the format, as a sentence; or one that ended too early."""


@dataclass(frozen=True, slots=True)
class Message:
    """`fields` are JSON values; `arrays` follow them."""

    kind: str
    fields: Mapping[str, Any]
    arrays: Sequence[np.ndarray] = ()


@runtime_checkable
class Input(Protocol):
    """A pipe or a file to read from."""

    def read(self, n_bytes: int, /) -> bytes: ...


@runtime_checkable
class Output(Protocol):
    """A pipe or a file to write to."""

    def write(self, content: bytes | memoryview, /) -> int: ...

    def flush(self) -> None: ...


def write(file: Output, message: Message) -> None:
    """Raises OSError where nobody reads."""
    arrays = [_sendable(array) for array in message.arrays]
    shapes = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = {"kind": message.kind, "fields": message.fields, "arrays": shapes}
    content = json.dumps(header, allow_nan=False).encode()
    file.write(_LENGTH.pack(len(content)) + content)
    for array in arrays:
        file.write(array.reshape(-1).view(np.uint8).data)
    file.flush()


def read(file: Input) -> Message | None:
    """The next message; None where the other end closed the pipe between two messages.

    Raises:
        WireError: it is malformed, too large, or ends too early.
    """
    start = file.read(_LENGTH.size)
    if not start:
        return None
    (n_bytes,) = _LENGTH.unpack(start + _exactly(file, _LENGTH.size - len(start)))
    if n_bytes > MOST_HEADER_BYTES:
        raise WireError(f"A header of {n_bytes:,} bytes is too large.")
    try:
        header = json.loads(_exactly(file, n_bytes), parse_constant=_refuse_constant)
        kind, fields, arrays = header["kind"], header["fields"], header["arrays"]
        layouts = [_layout(described) for described in arrays]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError(f"The header is malformed: {type(error).__name__}.") from error
    if not isinstance(kind, str) or not isinstance(fields, dict) or len(layouts) > MOST_ARRAYS:
        raise WireError("The header is malformed.")
    if (total := sum(_n_bytes(*layout) for layout in layouts)) > MOST_ARRAY_BYTES:
        raise WireError(f"Arrays of {total:,} bytes are too large.")
    return Message(kind, fields, [_array(file, *layout) for layout in layouts])


def _sendable(array: np.ndarray) -> np.ndarray:
    """In one of the types of the format: only their order of bytes or a longer float differs."""
    array = np.asarray(array, order="C")
    kind = "<f8" if array.dtype.kind == "f" and array.dtype.itemsize > 8 else None
    return array.astype(kind or array.dtype.newbyteorder("<"), copy=False)


def _layout(described: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Raises ValueError or TypeError where it is not the type and shape of an array."""
    name, shape = described
    if name not in _TYPES or len(shape) > MOST_AXES:
        raise ValueError(name)
    if any(type(n) is not int or not 0 <= n <= MOST_ARRAY_BYTES for n in shape):
        raise ValueError(shape)
    return np.dtype(name), tuple(shape)


def _n_bytes(kind: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return math.prod(shape) * kind.itemsize


def _array(file: Input, kind: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    content = _exactly(file, _n_bytes(kind, shape))
    return np.frombuffer(content, kind).reshape(shape)  # read-only, as bytes are


def _exactly(file: Input, n_bytes: int) -> bytes:
    content = file.read(n_bytes)
    if len(content) < n_bytes:
        raise WireError("The pipe was closed within a message.")
    return content


def _refuse_constant(name: str) -> float:
    raise ValueError(name)
