"""KEY=VALUE texts: lists, dictionaries and None are read as JSON and checked by the type hint."""

from pathlib import Path

import pytest

from kapbench.cli.options import typed
from kapbench.errors import KapbenchError

ADAPTER = """
from collections.abc import Sequence
from pathlib import Path


class Mine:
    def __init__(
        self,
        layers: list[int] = [],
        heads: tuple[int, ...] | None = None,
        size: tuple[int, float] = (1, 1.0),
        words: Sequence[str] = (),
        weights: dict[str, float] | None = None,
        window: int | None = 3,
        anything: list = [],
        text: str | None = None,
        file: Path | None = None,
        untyped=None,
    ): ...
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(ADAPTER)
    return f"{tmp_path / 'mine.py'}:Mine"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("layers=[1,2]", [1, 2]),
        ("layers=[]", []),
        ("heads=[3]", (3,)),
        ("heads=null", None),
        ("size=[4, 0.5]", (4, 0.5)),
        ('words=["a", "b"]', ["a", "b"]),
        ('weights={"a": 0.5}', {"a": 0.5}),
        ("window=null", None),
        ("window=7", 7),
        ('anything=[1, "a", null]', [1, "a", None]),
        ("text=null", "null"),  # it may be meant
        ("text=[1,2]", "[1,2]"),
        ("file=null", Path("null")),
        ("untyped=[1,2]", "[1,2]"),
    ],
)
def test_a_value_is_what_the_type_hint_accepts(spec, text, value):
    (given,) = typed("models", spec, [text]).values()
    assert given == value
    assert type(given) is type(value) or isinstance(value, Path)


@pytest.mark.parametrize(
    ("text", "needed", "example"),
    [
        ("layers=1,2", "a list in JSON", "'layers=[16, 16]'"),
        ("layers=[1,", "a list in JSON", "'layers=[16, 16]'"),
        ('layers=["a"]', "a list in JSON", "'layers=[16, 16]'"),
        ("heads=1", "a list in JSON or null", "'heads=[16, 16]'"),
        ("size=[1]", "a list in JSON", "'size=[16, 0.5]'"),
        ("words=[1]", "a list in JSON", """'words=["VALUE", "VALUE"]'"""),
        ("weights=[1]", "a dictionary in JSON or null", """'weights={"NAME": 0.5}'"""),
        ("window=big", "a whole number or null", "window=16"),
    ],
)
def test_a_wrong_value_is_answered_with_a_right_one(spec, text, needed, example):
    with pytest.raises(KapbenchError) as caught:
        typed("models", spec, [text])
    assert caught.value.thing == f"{text}: give {needed}"
    assert caught.value.fix == f"Write -o {example}"
    right = example.strip("'")
    assert typed("models", spec, [right])


@pytest.mark.parametrize(("kind", "option"), [("models", "-o"), ("datasets", "--dataset-option")])
def test_a_key_that_is_given_twice_is_refused_with_both_values(spec, kind, option):
    with pytest.raises(KapbenchError) as caught:
        typed(kind, spec, ["window=3", "text=a", "window=5"])
    assert caught.value.thing == f"{option} names 'window' twice: window=3 and window=5"
    assert caught.value.fix == f"Keep one of them, e.g. {option} window=5"
