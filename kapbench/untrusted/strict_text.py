"""Reads text files of others strictly: JSON, TOML, CSV and numbers. What has two readings is refused.

Python's own readers take the last of two equal keys, read 1_0 as 10, 1e999 as infinity and ١ as 1,
end with RecursionError where brackets are nested deeply, and wait for ever for a named pipe.
"""

import csv
import io
import json
import math
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError, counted
from kapbench.untrusted.regular_files import NotRegularError, open_regular
from kapbench.untrusted.repeated_keys import WHOLE, RepeatedKeys

CORRECT = "Correct the file; if it was downloaded, fetch it again"
CORRECT_OWN = "Correct the file"  # which the user wrote
SEPARATE_BY_COMMAS = "Save the file with commas between the columns"
MAX_BYTES = 2 << 30  # of a text file
MAX_DEPTH = 64  # of nested lists and objects
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 400  # characters; float64 needs 325 at most
_INT64 = range(-(1 << 63), 1 << 63)
_CONTAINERS = (dict, list)
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # UTF-8 cannot write half of a surrogate pair
# What a number beyond 64 bits, and one beyond float64, has in JSON. Hooks that look at every number
# make reading three times slower.
# Looked for where every digit is written as 0: ten times as fast as a regular expression.
_MAY_BE_TOO_LARGE = (19 * b"0", b"e000", b"E000", b"e+000", b"E+000")
_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", 9 * b"0")
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")  # what may become one of those in JSON


def integer(text: str) -> int | None:
    """A whole number of 64 bits in digits 0 to 9 without leading zeros; None for any other text."""
    if not _INTEGER.fullmatch(text):
        return None
    return value if (value := int(text)) in _INT64 else None


def number(text: str) -> float | None:
    """A finite decimal number in digits 0 to 9; None for any other text."""
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def read_bytes(path: Path, fix: str, max_bytes: int = MAX_BYTES) -> bytes:
    """KapbenchError where it is missing, no regular file, larger than `max_bytes`, or unreadable."""
    try:
        with open_regular(path) as file:
            n_bytes = os.fstat(file.fileno()).st_size
            content = file.read() if n_bytes <= max_bytes else None
    except NotRegularError as error:
        raise KapbenchError(f"T{str(error)[1:]}", place=path, fix=fix) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KapbenchError("The file does not exist", place=path, fix=fix) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = error.strerror if isinstance(error, OSError) else None
        raise KapbenchError(
            f"The file cannot be read: {reason or error}", place=path, fix=fix
        ) from error
    if content is None:
        raise KapbenchError(
            f"The file has {n_bytes:,} bytes, more than {max_bytes:,}", place=path, fix=fix
        )
    return content


def read_text(path: Path, fix: str) -> str:
    """UTF-8, with or without a byte-order mark. KapbenchError as `read_bytes` and `decode_text`."""
    return decode_text(read_bytes(path, fix), path, fix)


def decode_text(content: bytes, place: object, fix: str, encoding: str = "utf-8-sig") -> str:
    """The text of a file's content. KapbenchError where it is in another encoding, or holds NUL."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        name = encoding.upper().removesuffix("-SIG")
        raise KapbenchError(
            f"The file is not text in {name}", place=f"{place}, line {line}", fix=fix
        ) from error
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise KapbenchError(
            "The file holds a NUL character", place=f"{place}, line {line}", fix=fix
        )
    return text


def read_json(path: Path, fix: str = CORRECT) -> Any:
    """KapbenchError as `read_bytes` and `parse_json`."""
    return parse_json(read_bytes(path, fix), path, fix=fix)


def parse_json(
    content: bytes | str,
    place: object,
    *,
    fix: str = CORRECT,
    nan: bool = False,
    repeated: list[tuple[str, str]] | None = None,
) -> Any:
    """What a JSON text holds.

    Args:
        content: In UTF-8, UTF-16 or UTF-32, as JSON is recognised.
        nan: Whether NaN and Infinity, which are not JSON, are numbers, and numbers that are too
            large are infinite, for a caller that checks them and says where they are.
        repeated: Gets path and problem of each key that occurs twice in one object, in place of an
            error.

    Raises:
        KapbenchError: no JSON; an object with two equal keys; a number beyond 64 bits or float64;
            nesting deeper than MAX_DEPTH; a text with NUL or half of a surrogate pair.
    """
    if isinstance(content, bytes):
        content = decode_text(content, place, fix, json.detect_encoding(content))
    try:
        return json_value(content, nan=nan, repeated=repeated)
    except json.JSONDecodeError as error:
        at = f"{place}, line {error.lineno}, column {error.colno}"
        raise KapbenchError(f"The file is not JSON: {error.msg}", place=at, fix=fix) from error
    except ValueError as error:
        raise KapbenchError(f"The file is not JSON: {error}", place=place, fix=fix) from error


def json_value(
    content: bytes | str, *, nan: bool = False, repeated: list[tuple[str, str]] | None = None
) -> Any:
    """As `parse_json`, for callers that say themselves what is wrong: ValueError for any defect."""
    if isinstance(content, bytes):
        content = content.decode(json.detect_encoding(content))

    keys = RepeatedKeys()
    without_digits = content.encode("ascii", "replace").translate(_ALL_DIGITS_ZERO)
    hooked = any(number in without_digits for number in _MAY_BE_TOO_LARGE)
    try:
        value = json.loads(
            content,
            object_pairs_hook=keys.as_object,
            parse_int=(_or_infinity if nan else _as_integer) if hooked else None,
            parse_float=_as_number if hooked and not nan else None,
            parse_constant=float if nan else _as_number,
        )
        _check_nesting(value, has_escapes=_ESCAPED.search(content) is not None)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    for place, message in keys.describe(value):
        if repeated is None:
            raise ValueError(message if place == WHOLE else f"{message}, {place}")
        repeated.append((place, message))
    return value


def parse_toml(content: bytes | str, place: object, *, fix: str = CORRECT) -> dict[str, Any]:
    """What a TOML text holds. KapbenchError as `parse_json`."""
    if isinstance(content, bytes):
        content = decode_text(content, place, fix)
    try:
        value = tomllib.loads(content, parse_float=_as_number)
        _check_nesting(value, has_escapes=_ESCAPED.search(content) is not None)
        _check_integers(value)
    except (ValueError, RecursionError) as error:
        reason = _TOO_DEEP if isinstance(error, RecursionError) else error
        raise KapbenchError(f"The file is not TOML: {reason}", place=place, fix=fix) from error
    return value


def parse_csv(
    content: bytes | str, place: object, fix: str, separator_fix: str = SEPARATE_BY_COMMAS
) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line of a CSV file; a line break in quotes does not end a line.

    Args:
        fix: What to do where it is not text.
        separator_fix: What to do where it has another separator.

    Raises:
        KapbenchError: it is not CSV, or has another separator than the comma in its first line.
    """
    text = decode_text(content, place, fix) if isinstance(content, bytes) else content
    first = text.partition("\n")[0]
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if separator in first and "," not in first:
            raise KapbenchError(
                f"The columns are separated by {name}, not by commas",
                place=f"{place}, line 1",
                fix=separator_fix,
            )
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise KapbenchError(
            f"The line is not CSV: {error}",
            place=f"{place}, line {reader.line_num}",
            fix="Correct the line",
        ) from error


def _as_integer(text: str) -> int:
    if (value := integer(text)) is None:
        shortened = text if len(text) <= 24 else f"{text[:20]}… ({counted(len(text), 'digit')})"
        raise ValueError(f"{shortened} is not a number of 64 bits")
    return value


def _or_infinity(text: str) -> float:
    value = integer(text)
    return (-math.inf if text.startswith("-") else math.inf) if value is None else value


def _as_number(text: str) -> float:
    if (value := number(text.replace("_", ""))) is None:  # TOML has 1_000.5, JSON has no such thing
        raise ValueError(f"{text[:24]} is not a finite number")
    return value


def _check_nesting(content: object, *, has_escapes: bool) -> None:
    """ValueError where lists and objects are nested too deeply, or a text is none."""
    level: list[Any] = [[content]]
    for _ in range(MAX_DEPTH + 1):
        if has_escapes:
            texts = (t for container in level for t in _texts(container))
            if (wrong := next(filter(_NO_TEXT.search, texts), None)) is not None:
                shown = ascii(wrong[:24])
                raise ValueError(f"the text {shown} holds NUL or half of a surrogate pair")
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if type(child) in _CONTAINERS
        ]
        if not level:
            return
    raise RecursionError


def _texts(value: object) -> Iterator[str]:
    """Texts of one level."""
    items = value if isinstance(value, list) else [value]
    if isinstance(value, dict):
        items = [*value, *value.values()]
    return (item for item in items if isinstance(item, str))


def _check_integers(value: Any) -> None:
    """ValueError where a whole number has more than 64 bits; TOML has no hook for them."""
    if isinstance(value, int) and value not in _INT64:
        raise ValueError(f"{hex(value)[:20]}… is not a number of 64 bits")
    children = value.values() if isinstance(value, dict) else value
    for child in children if isinstance(value, dict | list) else ():
        _check_integers(child)
