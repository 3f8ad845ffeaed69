"""JSON, TOML, CSV and numbers of others: what has two readings, or ends Python's readers, is refused."""

import os

import pytest

from kapbench.errors import KapbenchError
from kapbench.untrusted.strict_text import (
    MAX_DEPTH,
    integer,
    number,
    parse_csv,
    parse_json,
    parse_toml,
    read_bytes,
    read_json,
    read_text,
)


def nested(depth, around=""):
    return f"{around}{'[' * depth}{']' * depth}"


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-12", -12), (str(2**63 - 1), 2**63 - 1), (str(-(2**63)), -(2**63))],
)
def test_whole_numbers(text, value):
    assert integer(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "01",
        "+1",
        "-0",
        "1_0",
        " 1",
        "1\n",
        "1.0",
        "1e3",
        "0x1",
        "١",
        "²",
        str(2**63),
        "9" * 5000,
    ],
)
def test_what_is_no_whole_number(text):
    assert integer(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [("01", 1), ("+1.5", 1.5), (".5", 0.5), ("5.", 5), ("-2e-3", -0.002)]
)
def test_numbers(text, value):
    assert number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", ".", "1_0", " 1", "1\n", "nan", "-inf", "Infinity", "1e999", "٣.٥", "1e", "9" * 401],
)
def test_what_is_no_number(text):
    assert number(text) is None


WRONG_JSON = [
    ('{"a": 1, "b": {"a": 1, "a": 2}}', "'a' occurs 2 times"),
    ('{"a": 1, "\\u0061": 2}', "'a' occurs 2 times"),
    ("[NaN]", "NaN is not a finite number"),
    ("[-Infinity]", "-Infinity is not a finite"),
    ("[1e999]", "1e999 is not a finite number"),
    (f"[{'9' * 400}.5]", "is not a finite number"),
    (f"[{2**63}]", "not a number of 64 bits"),
    (f"[{'9' * 5000}]", r"\(5,000 digits\) is not a number"),
    (nested(100_000), "deeper than 64"),
    (nested(MAX_DEPTH + 1), "deeper than 64"),
    ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "deeper than 64"),
    (r'["\ud800"]', "half of a surrogate pair"),
    (r'{"\udc00": 1}', "half of a surrogate pair"),
    (r'{"a": ["b\u0000"]}', "NUL"),
    (b'["\xed\xa0\x80"]', "not text in UTF-8"),
    (b'[1,\n"\xff"]', "line 2"),
    (b"[1,\n\x00]", "NUL"),
    ("[1", "not JSON"),
    (b"", "not JSON"),
]


@pytest.mark.parametrize(("content", "message"), WRONG_JSON)
def test_json_that_is_refused(content, message):
    with pytest.raises(KapbenchError, match=message) as error:
        parse_json(content, "a.json")
    assert "a.json" in str(error.value.place)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (f"[1e308, {2**63 - 1}, -0.5]", [1e308, 2**63 - 1, -0.5]),
        ("[0.1234567890123456789012]", [0.1234567890123456789012]),
        (r'["\ud83d\ude00", "\\ud800", "\\u0000"]', ["😀", r"\ud800", r"\u0000"]),
        ('{"a": 1, "A": 2}', {"a": 1, "A": 2}),
        (nested(MAX_DEPTH).encode("utf-8-sig"), None),
        ('["é"]'.encode("utf-16"), ["é"]),
        ("3", 3),
    ],
)
def test_json_that_is_read(content, value):
    assert value is None or parse_json(content, "a.json") == value
    parse_json(content, "a.json")


def test_json_with_what_the_caller_checks():
    repeated: list[tuple[str, str]] = []
    text = '{"a": NaN, "b": 1, "b": [{"c": 1}, {"d": {"c": 1, "c": 2}}]}'
    content = parse_json(text, "", nan=True, repeated=repeated)
    assert content["a"] != content["a"]
    assert repeated == [
        ("b[1].d", "Key 'c' occurs 2 times in one object"),
        ("the file", "Key 'b' occurs 2 times in one object"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a = nan", "nan is not a finite number"),
        ("a = [-inf]", "-inf is not a finite number"),
        ("a = 1e999", "not a finite number"),
        (f"a = {{b = [{2**63}]}}", "not a number of 64 bits"),
        (f"a = {'9' * 5000}", "not TOML"),
        ("a = 1\na = 2", "not TOML"),
        (nested(3000, "a = "), "deeper than 64"),
        (nested(70, "a = "), "deeper than 64"),
        (".".join("a" * 3000) + " = 1", "deeper than 64"),
        (r'a = "\u0000"', "NUL"),
        (b'a = "\xff"', "not text in UTF-8"),
    ],
)
def test_toml_that_is_refused(content, message):
    with pytest.raises(KapbenchError, match=message):
        parse_toml(content, "a.toml")


def test_toml_that_is_read():
    assert parse_toml(b"a = 1_000\nb = 1_0.5\n", "") == {"a": 1000, "b": 10.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('a,b\n"1,2\n3,4\n', "not CSV"),
        ('a,b\n"1"2,3\n', "not CSV"),
        ("a;b\n", "separated by semicolons"),
        (f"a,b\n{'x' * 200_000},1\n", "field larger"),
        (b"a,b\n1,\x00\n", "NUL"),
        (b"a,b\n1,\xff\n", "not text in UTF-8"),
    ],
)
def test_csv_that_is_refused(content, message):
    with pytest.raises(KapbenchError, match=message) as error:
        list(parse_csv(content, "a.csv", "Correct it"))
    assert "a.csv, line" in str(error.value.place)


def test_csv_that_is_read():
    content = 'a,b\r\n"1,\n2",3\x0b4\n'.encode("utf-8-sig")
    assert list(parse_csv(content, "", "")) == [(1, ["a", "b"]), (3, ["1,\n2", "3\x0b4"])]


def test_files_that_are_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "large").write_bytes(b"12345")
    for name, message in (
        ("none", "does not exist"),
        ("pipe", "a named pipe"),
        (".", "a folder"),
        ("loop", "cannot be read"),
        ("n" * 300, "cannot be read"),
        ("nul\0", "cannot be read"),
        ("large/below", "does not exist"),
        ("large", "5 bytes, more than 4"),
    ):
        with pytest.raises(KapbenchError, match=message):
            read_bytes(tmp_path / name, "Correct it", 4)
    assert read_json(tmp_path / "large") == 12345
    assert read_text(tmp_path / "large", "") == "12345"
