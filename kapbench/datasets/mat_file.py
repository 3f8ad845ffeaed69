"""Reads numbers of MATLAB files of version 5 (MATLAB 5 to 7): scipy's reader crashes on damaged ones.

A file is a header of 128 bytes and elements of kind, length and content, each a variable, which may
be compressed. Only what the data sets need is read: real numbers, and numbers in fields of a struct.
Format: MathWorks, "MAT-File Format", level 5.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Shaped

from kapbench.errors import KapbenchError

MAX_UNFOLDED = 256 << 20  # bytes of all compressed variables together
_HEADER, _NEWER = 128, b"MATLAB 7.3"
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}
_MATRIX, _COMPRESSED, _STRUCT = 14, 15, 2
_COMPLEX = 0x08  # of a variable's flags
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_STORED |= {12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"}
_CLASSES |= {14: "i8", 15: "u8"}


def read_numbers(content: bytes, name: str, path: Path, fix: str) -> Shaped[np.ndarray, "..."]:
    """A variable of real numbers.

    Args:
        content: What the file at `path` holds.
        fix: What to do where it cannot be read.

    Raises:
        KapbenchError: no such variable, or one that is not of numbers; a damaged file.
    """
    with _described(name, path, fix):
        return _variable(content, name).numbers()


def read_field(
    content: bytes, name: str, field: str, path: Path, fix: str
) -> list[Shaped[np.ndarray, "..."]]:
    """The numbers in one field of each struct of a variable, in MATLAB's order.

    As `read_numbers`.
    """
    with _described(f"{name}.{field}", path, fix):
        return _field(_variable(content, name), field)


@contextmanager
def _described(name: str, path: Path, fix: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise KapbenchError(
            f"The variable {name} cannot be read: {error}", place=path, fix=fix
        ) from error


def _field(variable: "_Variable", field: str) -> list[Shaped[np.ndarray, "..."]]:
    if variable.kind != _STRUCT:
        raise ValueError("it is not a struct")
    parts = list(variable.parts())
    if len(parts) < 2 or len(parts[0].of_kind("i4")) != 4:
        _refuse_end()
    (width,) = struct.unpack(f"{variable.order}i", parts[0].content)
    text, values = bytes(parts[1].content), parts[2:]
    if width < 1 or len(text) % width:
        raise ValueError("the field names are damaged")
    names = [text[i : i + width].split(b"\0")[0] for i in range(0, len(text), width)]
    if names.count(field.encode()) != 1:
        raise ValueError("there is no such field")
    if len(values) != math.prod(variable.shape) * len(names):
        _refuse_end()
    of_field = values[names.index(field.encode()) :: len(names)]
    return [_parse_variable(value, variable.order).numbers() for value in of_field]


@dataclass(frozen=True, slots=True)
class _Element:
    kind: int
    content: memoryview | bytes

    def of_kind(self, dtype: str) -> memoryview | bytes:
        """The content. ValueError where it is of another kind, or not of whole numbers of bytes."""
        if _STORED.get(self.kind) != dtype or len(self.content) % int(dtype[1]):
            raise ValueError("an element is of an unexpected kind")
        return self.content


@dataclass(frozen=True, slots=True)
class _Variable:
    """
    Args:
        kind: MATLAB's class: double, struct and so on.
        body: Elements behind the name.
        order: Of bytes, "<" or ">".
    """

    name: bytes
    kind: int
    is_complex: bool
    shape: tuple[int, ...]
    body: memoryview | bytes
    order: str

    def parts(self) -> Iterator[_Element]:
        return _elements(self.body, self.order)

    def numbers(self) -> Shaped[np.ndarray, "..."]:
        if self.kind not in _CLASSES or self.is_complex:
            raise ValueError("the variable is not of real numbers")
        stored = next(self.parts(), None)
        if stored is None or stored.kind not in _STORED:
            raise ValueError("the variable has no numbers")
        kind = _STORED[stored.kind]
        values = np.frombuffer(stored.of_kind(kind), f"{self.order}{kind}")
        if len(values) != math.prod(self.shape):
            raise ValueError(f"the variable has {len(values):,} numbers, not {self.shape}")
        if not np.can_cast(values.dtype, _CLASSES[self.kind], "same_kind"):
            raise ValueError("the variable's numbers are not of its class")
        converted = values.astype(_CLASSES[self.kind])
        if converted.dtype.kind != "f" and not np.array_equal(converted, values):
            raise ValueError("the variable has numbers that its class cannot hold")
        return converted.reshape(self.shape, order="F")


def _variable(content: bytes, name: str) -> _Variable:
    if content.startswith(_NEWER):
        raise ValueError("it is a file of MATLAB 7.3, which is not read; save it with -v7")
    order = _BYTE_ORDERS.get(content[126:_HEADER])
    if order is None:
        raise ValueError("it is not a MATLAB file of version 5 to 7")
    left, matches = MAX_UNFOLDED, []
    for stored in _elements(memoryview(content)[_HEADER:], order):
        element = stored
        if stored.kind == _COMPRESSED:
            unfolded = _unfold(stored.content, left)
            left -= len(unfolded)
            element = next(_elements(unfolded, order), stored)
        if element.kind == _MATRIX:
            variable = _parse_variable(element, order)
            matches += [variable] if variable.name == name.encode() else []
    if len(matches) != 1:
        raise ValueError(f"{len(matches)} variables have this name")
    return matches[0]


def _unfold(content: memoryview | bytes, max_bytes: int) -> bytes:
    unfolding = zlib.decompressobj()
    try:
        unfolded = unfolding.decompress(content, max(1, max_bytes))
    except zlib.error as error:
        raise ValueError(f"a variable cannot be unfolded: {error}") from error
    if unfolding.unconsumed_tail:
        raise ValueError(f"the variables unfold to more than {MAX_UNFOLDED:,} bytes")
    if not unfolding.eof:
        _refuse_end()
    return unfolded


def _parse_variable(element: _Element, order: str) -> _Variable:
    if element.kind != _MATRIX:
        raise ValueError("an element is of an unexpected kind")
    parts, offset = [], 0
    for part, end in _located(element.content, order):
        parts.append(part)
        offset = end
        if len(parts) == 3:
            break
    else:
        _refuse_end()
    flags, shape, name = parts
    (bits,) = np.frombuffer(flags.of_kind("u4"), f"{order}u4")[:1].tolist() or [0]
    sides = tuple(np.frombuffer(shape.of_kind("i4"), f"{order}i4").tolist())
    if len(sides) < 2 or min(sides) < 0:
        raise ValueError(f"a variable has the shape {sides}")
    return _Variable(
        bytes(name.content),
        bits & 0xFF,
        bool(bits >> 8 & _COMPLEX),
        sides,
        element.content[offset:],
        order,
    )


def _elements(content: memoryview | bytes, order: str) -> Iterator[_Element]:
    for element, _ in _located(content, order):
        yield element


def _located(content: memoryview | bytes, order: str) -> Iterator[tuple[_Element, int]]:
    """Elements, and where the next begins. ValueError where one is longer than the content."""
    at = 0
    while at < len(content):
        if len(content) - at < 8:
            _refuse_end()
        kind, length = struct.unpack_from(f"{order}II", content, at)
        start = at + 8
        at = start + length + (0 if kind == _COMPRESSED else -length % 8)
        if kind >> 16:  # up to four bytes in the place of the length
            kind, length = kind & 0xFFFF, kind >> 16
            start, at = start - 4, start
        if start + length > min(at, len(content)):
            _refuse_end()
        yield _Element(kind, content[start : start + length]), at


def _refuse_end() -> NoReturn:
    raise ValueError("the file ends too early")
