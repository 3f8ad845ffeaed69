"""Mutations of texts with a structure: JSON, tables, XML and TOML."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from campaign.mutations.mutation import Mutation, Random, pick

DEPTH, MEBI = 100_000, 2**20


class Raw(str):
    """Text that is written into a JSON file as it is, without quotes."""

    __slots__ = ()


TYPES = (None, True, False, "", [], {}, 0, 1.5, "text", [1], {"a": 1}, [[]], [None], {"": None})
NUMBERS = (
    *(-1, 0, 1, -0.0, 0.1, 1e308, -1e308, 1e-320, 2**31, 2**53 + 1, 2**64, -(2**63)),
    *(Raw("1e400"), Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("9" * 5000)),
)
NUMBER_TEXTS = ("1", "01", "1_0", " 1", "1e3", "0x10", "nan", "inf", "-inf", "１", "1" * 5000, "²")
TEXTS = (
    *("", " ", "mean", "all", "a\0b", "\ud800", "\x1b[2J", "\u202e", "\x85", "é", "a,b", "a\nb"),
    *("..", ".", "../../x", "/etc/passwd", "C:\\x", "a/b", "~", "-", "x" * 300, "x" * MEBI),
)
ENCODINGS = ("utf-16", "utf-8-sig", "latin-1", "utf-32")
FAMILIES = {"type": TYPES, "number": NUMBERS, "number as text": NUMBER_TEXTS, "text": TEXTS}


def json_tree(content: bytes, rng: Random) -> Mutation:
    """One change of a JSON document: of a value, of keys, of lengths, or of the whole."""
    tree = json.loads(content)
    family = pick(rng, (*FAMILIES, "delete", "length", "swap", "nest", "double key", "whole"))
    if family == "whole":
        return Mutation("json: whole", whole_text(content, rng))
    tree, raw = change_tree(tree, family, rng)
    doubled = "a doubled key" if family == "double key" and raw else None
    return Mutation(f"json: {family}", to_json(tree, raw), doubled)


def change_tree(tree: Any, family: str, rng: Random) -> tuple[Any, dict[str, str]]:
    """A changed copy, and texts that stand for a mark in it."""
    tree = {"": copy.deepcopy(tree)}
    places = list(_places(tree))
    holder, key = places[int(rng.integers(len(places)))]
    value, raw = holder[key], dict[str, str]()

    def mark(text: str) -> str:
        raw[f"@raw{len(raw)}@"] = text
        return f"@raw{len(raw) - 1}@"

    if family in FAMILIES:
        new = pick(rng, FAMILIES[family])
        holder[key] = mark(new) if isinstance(new, Raw) else new
    elif family == "delete":
        del holder[key]
    elif family == "length":
        _change_length(holder, key, rng)
    elif family == "swap":
        other, at = places[int(rng.integers(len(places)))]
        holder[key], other[at] = copy.deepcopy(other[at]), copy.deepcopy(value)
    elif family == "nest":
        opened, closed = pick(rng, (("[", "]"), ('{"a":', "}")))
        n = pick(rng, (DEPTH, 900, 2))
        holder[key] = mark(opened * n + json.dumps(value) + closed * n)
    elif isinstance(value, dict) and value:  # double key
        name, again = pick(rng, tuple(value)), pick(rng, (*TYPES, *value.values()))
        twice = json.dumps({name: again})[1:-1]
        holder[key] = mark(json.dumps(value)[:-1] + f", {twice}}}")
    return tree.get("", {}), raw


def to_json(tree: Any, raw: dict[str, str]) -> bytes:
    text = json.dumps(tree)
    for key, value in raw.items():
        text = text.replace(f'"{key}"', value)
    return text.encode()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every value's holder, and its key there."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])


def _change_length(holder: Any, key: Any, rng: Random) -> None:
    value = holder[key]
    if isinstance(value, list):
        holder[key] = pick(rng, (value[:-1], value + value[:1], value * 2, value * 50, value[::-1]))
    elif isinstance(value, dict):
        holder[key] = value | {"unknown": 1, "Name": "x"}
    elif isinstance(value, str):
        holder[key] = pick(rng, (value * 2, value[:-1], value.upper(), value + " ", f"./{value}"))
    elif isinstance(value, int | float):
        holder[key] = pick(rng, (-value, value * 1000, value + 0.5, value / 1e6))


def whole_text(content: bytes, rng: Random) -> bytes:
    """Another file in its place, or the same in another encoding."""
    deep = (b"[" * DEPTH + b"]" * DEPTH, b'{"a":' * DEPTH + b"1" + b"}" * DEPTH)
    texts = (b"", b"null", b"[]", b"{}", b"1", b'"x"', b"NaN", b"\xff\xfe", b"\0" * 64, *deep)
    others = (content[:-1], content[:-2] + b",", b" " * MEBI + content, content + content)
    recoded = [content.decode().encode(name) for name in ENCODINGS if content.isascii()]
    broken = (content.replace(b"a", b"\xe9", 1), content.replace(b'"', b"'"), content + b"\0")
    return pick(rng, (*texts, *others, *recoded, *broken))


def table(content: bytes, rng: Random) -> Mutation:
    """One change of a table of text, whatever separates its cells."""
    lines = content.decode().splitlines()
    family = pick(rng, ("cell", "number", "text", "line", "columns", "quotes", "ends", "whole"))
    at = int(rng.integers(len(lines)))
    cells = re.split(r"([,;: \t-])", lines[at])  # separators stay, at odd places
    place = 2 * int(rng.integers((len(cells) + 1) // 2))
    odd = None
    if family == "cell":
        new = pick(rng, ("", *NUMBER_TEXTS))
        if re.fullmatch(r"\d+\.\d+", cells[place]) and new in ("1_0", "１", "0x10"):
            odd = f"the number {new}"
        cells[place] = new
    elif family == "number":
        cells[place] = pick(rng, ("-1", "0", "1e308", "1e400", "2147483648", "9" * 5000, "0.5"))
    elif family == "text":
        cells[place] = pick(rng, TEXTS)
    elif family == "columns":
        cells = pick(rng, (cells[:-2], cells + cells[-2:], cells[2:], cells[::-1], cells * 50))
    lines[at] = "".join(cells)
    if family == "line":
        lines = _change_lines(lines, at, rng)
    text = "\n".join(lines) + "\n"
    if family == "quotes":
        text = pick(rng, (text.replace(",", '","', 1), f'"{text}', text[:20] + '"' + text[20:]))
    if family == "ends":
        text = text.replace("\n", pick(rng, ("\r", "\r\n", "\n\n", "\0\n", "\x0b", "\u2028")))
    encoded = whole_text(content, rng) if family == "whole" else text.encode(errors="surrogatepass")
    return Mutation(f"table: {family}", encoded, odd)


def _change_lines(lines: list[str], at: int, rng: Random) -> list[str]:
    before, line, after = lines[:at], lines[at], lines[at + 1 :]
    return pick(
        rng,
        (
            [*before, *after],
            [*before, line, line, *after],
            [*after, *before],
            [*before, "", *after],
            [*before, "# note", line, *after],
            [line],
            lines * 20,
        ),
    )


def xml(content: bytes, rng: Random) -> Mutation:
    """One change of an XML document."""
    text = content.decode()
    family = pick(rng, ("attribute", "delete", "double", "nest", "tag", "entity", "whole"))
    attributes = list(re.finditer(r' (\w+)="([^"]*)"', text))
    elements = list(re.finditer(r"<(\w+)[^<>?]*>", text))
    one, element = (pick(rng, tuple(attributes)), pick(rng, tuple(elements)))
    if family == "attribute":
        odd = str(pick(rng, (*NUMBER_TEXTS, *TEXTS, "1e308", "-1", "1,2;3", "1,2,3", ";", "&x;")))
        text = text[: one.start(2)] + odd + text[one.end(2) :]
    elif family == "delete":
        text = text[: one.start()] + text[one.end() :]
    elif family == "double":
        text = text[: one.end()] + one[0] + text[one.end() :]
    elif family == "nest":
        n = pick(rng, (DEPTH, 900))
        nested = f"<{element[1]}>" * n + f"</{element[1]}>" * n
        text = text[: element.end()] + nested + text[element.end() :]
    elif family == "tag":
        text = text.replace(element[1], pick(rng, ("other", "x" * 1000, "ns:x")), 1)
    elif family == "entity":
        many = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
        text = re.sub(r"^<\?.*?\?>", f'<!DOCTYPE x [<!ENTITY a0 "x">{many}]>', text)
        text = text[:-20] + "&a9;" + text[-20:]
    encoded = text.encode(errors="surrogatepass")
    return Mutation(f"xml: {family}", whole_text(content, rng) if family == "whole" else encoded)


def toml(content: bytes, rng: Random) -> Mutation:
    """One change of a TOML document of one key a line."""
    lines = content.decode().strip().splitlines()
    at = int(rng.integers(len(lines)))
    key = lines[at].split("=")[0]
    family = pick(rng, ("value", "text", "delete", "double key", "nest", "whole"))
    listed = ("[[1]]", '[1, "a"]', "0x10", "1_000")
    values = (
        *listed,
        "true",
        "[]",
        "{}",
        "1e400",
        "nan",
        "inf",
        "-1",
        "9" * 5000,
        '""',
        "1979-05-27",
    )
    deep = ("[" * DEPTH + "]" * DEPTH, "{a=" * 900 + "1" + "}" * 900)
    if family == "value":
        lines[at] = f"{key}= {pick(rng, values)}"
    elif family == "text":
        lines[at] = f"{key}= {json.dumps(pick(rng, TEXTS), ensure_ascii=False)}"
    elif family == "delete":
        del lines[at]
    elif family == "double key":
        lines.append(pick(rng, (lines[at], f"[{key}]", f"{key}.a = 1", f"[[{key}]]", "other = 1")))
    elif family == "nest":
        lines[at] = f"{key}= {pick(rng, deep)}"
    encoded = "\n".join(lines).encode(errors="surrogatepass")
    return Mutation(f"toml: {family}", whole_text(content, rng) if family == "whole" else encoded)
