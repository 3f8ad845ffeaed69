"""Every KapbenchError of the three packages is written as kapbench/errors.py says."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import kapbench
from kapbench.errors import agreeing, name_first

ROOT = Path(kapbench.__file__).parent.parent
PACKAGES = ["kapbench", "baselines/kapbench_baselines", "leaderboard/kapbench_leaderboard"]
# Packages and attributes that a message may begin with; other names contain more than letters
# (image_size, encode(), --device).
NAMES = {"dask", "diffusers", "submitit", "timm", "torch", "transformers"}
ATTRIBUTES = {"options", "side", "similarity"}


def _texts(node: ast.expr, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the text of each string that an expression may be; an f-string's values as {}."""
    match node:
        case ast.Constant(value=str(text)):
            yield node.lineno, text
        case ast.JoinedStr():
            parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
            yield node.lineno, "".join(map(str, parts))
        case ast.IfExp():
            yield from _texts(node.body, tree)
            yield from _texts(node.orelse, tree)
        case ast.BoolOp():
            for value in node.values:
                yield from _texts(value, tree)
        case ast.Name():
            for other in ast.walk(tree):
                match other:
                    case ast.Assign(targets=[ast.Name(id=node.id)]) if other.value is not node:
                        yield from _texts(other.value, tree)


def _fix_positions(trees: Iterable[ast.Module]) -> dict[str, int]:
    """Functions with a parameter `fix`, and its position."""
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    names = {function.name: [a.arg for a in function.args.args] for function in functions}
    return {name: of.index("fix") for name, of in names.items() if "fix" in of and "self" not in of}


def _messages(tree: ast.Module, fix_positions: dict[str, int]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        messages = [keyword.value for keyword in node.keywords if keyword.arg == "fix"]
        if name == "KapbenchError":
            messages += node.args[:1]
        elif name in fix_positions:
            messages += node.args[fix_positions[name] :][:1]
        for message in messages:
            yield from _texts(message, tree)


def _begins_well(text: str) -> bool:
    word = text.split(maxsplit=1)[0].rstrip(",:;")
    is_attribute = word in ATTRIBUTES and text.startswith(f"{word} is ")
    return not re.fullmatch(r"[a-z][a-z'-]*", word) or word in NAMES or is_attribute


@pytest.mark.parametrize("package", PACKAGES)
def test_messages_begin_with_a_capital_letter_and_have_no_final_full_stop(package: str) -> None:
    wrong, n_messages = [], 0
    trees = {path: ast.parse(path.read_text()) for path in sorted((ROOT / package).rglob("*.py"))}
    positions = _fix_positions(trees.values())
    for path, tree in trees.items():
        for line, text in _messages(tree, positions):
            n_messages += 1
            if not _begins_well(text) or (text.endswith(".") and not text.endswith("...")):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {text}")
    assert n_messages > 50
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("verb", "plural"), [("is", "are"), ("has", "have"), ("lies", "lie")])
def test_verbs_agree_with_their_number(verb, plural):
    assert [agreeing(verb, n) for n in (0, 1, 2)] == [plural, verb, plural]


@pytest.mark.parametrize(
    ("names", "text"), [("a", "a"), ("abc", "a; b; c"), ("abcdefg", "a; b; c and 4 more")]
)
def test_the_first_three_are_named(names, text):
    assert name_first(list(names)) == text
