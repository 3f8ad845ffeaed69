"""JSON and safetensors as no writer makes them."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from campaign.case import Case, command
from campaign.hostile_files.entries import SECONDS, accepted, check, exchange, place_entry


def cases() -> Iterator[Case]:
    """The controls come first: the same files, written in another way."""
    yield Case("json: control, with spaces", _indented)
    yield Case("safetensors: control, exchanged by itself", _exchanged)
    for name, content in _JSON.items():
        yield Case(f"json: {name}", partial(_json, content))
    for name, content in _TENSORS.items():
        yield Case(f"safetensors: {name}", partial(_tensors, content))


def _indented(folder: Path) -> str | None:
    entry = place_entry(folder)
    entry.write_text(json.dumps(json.loads(entry.read_text()), indent=3))
    return accepted(folder)


def _exchanged(folder: Path) -> str | None:
    entry = place_entry(folder)
    exchange(entry, ".safetensors", entry.with_suffix(".safetensors").read_bytes())
    return accepted(folder)


def _json(content: bytes, folder: Path) -> str | None:
    place_entry(folder).write_bytes(content)
    crash = command(["compare", "results"], folder, seconds=SECONDS).crash
    return crash if crash is not None else check(folder)


def _tensors(content: bytes, folder: Path) -> str | None:
    exchange(place_entry(folder), ".safetensors", content)
    crash = command(["compare", "results"], folder, seconds=SECONDS).crash
    return crash if crash is not None else check(folder)


def _packed(header: object, data: bytes = bytes(64)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _tensor(kind: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


def _about(text: str) -> dict[str, object]:
    return {"__metadata__": {"about": text}, "a/value": _tensor("F32", [16], 0, 64)}


_JSON = {
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "6 MiB": b'{"a": "' + b"a" * (6 << 20) + b'"}',
    "not UTF-8": b'{"schema_version": 1, "a": "\xff"}',
    "UTF-16": '{"schema_version": 1}'.encode("utf-16"),
    "an integer of 5,000 digits": b'{"schema_version": ' + b"9" * 5000 + b"}",
    "infinity as version": b'{"schema_version": Infinity}',
    "a list": b"[]",
    "null": b"null",
    "nothing": b"",
    "a number": b"1",
    "NUL": b"\0" * 1000,
}
_TENSORS = {
    "a header of 2^62 bytes": (2**62).to_bytes(8, "little") + b"{}",
    "a header of 99 MB": (99_000_000).to_bytes(8, "little") + b"{}",
    "a deep header": _packed(b'{"a":' * 100_000),
    "overlapping tensors": _packed(
        {"a": _tensor("F32", [16], 0, 64), "b": _tensor("F32", [16], 0, 64)}
    ),
    "offsets behind the end": _packed({"a": _tensor("F32", [10**9], 0, 4 * 10**9)}),
    "negative offsets": _packed({"a": _tensor("F32", [16], -64, 0)}),
    "a shape that overflows": _packed({"a": _tensor("F32", [2**62, 2**62], 0, 64)}),
    "an unknown type": _packed({"a": _tensor("F1", [64], 0, 64)}),
    "BF16": _packed(
        {
            "__metadata__": {
                "about": json.dumps({"format": "kapbench-resamples-1", "columns": ["a"]})
            },
            "a/value": _tensor("BF16", [32], 0, 64),
        }
    ),
    "about is a list": _packed(_about("[]")),
    "about is deep": _packed(_about("[" * 100_000)),
    "about without columns": _packed(_about('{"format": "kapbench-resamples-1"}')),
    "columns are no list": _packed(_about('{"format": "kapbench-resamples-1", "columns": 3}')),
    "nothing": b"",
    "seven bytes": bytes(7),
}
