"""Names that end in a colon or a dot: what follows is the first argument."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from kapbench import registry
from kapbench.errors import KapbenchError


@dataclass
class Entry:
    name: str
    value: str = "tests"
    module: str = "tests"
    dist: None = None

    def load(self):
        return lambda rest="": (self.name, rest)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    found = tuple(Entry(n) for n in ("ball", "ball.", "ball.flat.", "ball.flat.own", "hub:"))
    monkeypatch.setattr(registry, "_entries", lambda kind: found)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("ball", ("ball", "")),
        ("ball.vit.b14", ("ball.", "vit.b14")),
        ("ball.flat.vit", ("ball.flat.", "vit")),
        ("ball.flat.own", ("ball.flat.own", "")),
        ("ball.hub:some/model.v2", ("ball.", "hub:some/model.v2")),
        ("hub:ball.vit", ("hub:", "ball.vit")),
    ],
)
def test_the_whole_name_then_the_longest_prefix(spec, expected):
    assert registry.resolve("models", spec)() == expected


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("ball", (), "ball"),
        ("ball.vit.b14", (), "ball.vit.b14"),  # a prefix, and all of what follows
        ("ball.flat.vit", (), "ball.flat.vit"),
        ("ball.flat.own.vit", (), "ball.flat.own.vit"),
        ("ball.vit", ("rest",), "ball"),  # bound behind the prefix, so not taken there
        ("ball.vit", ("colour",), "ball.vit"),  # taken nowhere: `create` will say so
        ("hub:some/model.v2", (), "hub:some/model.v2"),
        ("cube.vit", (), None),
    ],
)
def test_a_runs_name_leads_to_what_takes_its_options(name, options, expected):
    assert registry.installed_as(name, options) == expected


def test_a_runs_name_has_no_file_run(tmp_path: Path, monkeypatch):
    (tmp_path / "ball.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    for name in ("ball.py:Mine", "cube/ball.py:Mine"):
        assert registry.installed_as(name, ()) in {None, "ball"}


@pytest.mark.parametrize("spec", ["ball.", "balls.vit", "vit"])
def test_a_prefix_alone_is_no_name(spec):
    with pytest.raises(KapbenchError, match="Unknown model"):
        registry.resolve("models", spec)


def test_a_file_that_is_called_like_a_prefix_is_a_file(tmp_path: Path, monkeypatch):
    (tmp_path / "ball.py").write_text("class Mine: ...")
    monkeypatch.chdir(tmp_path)
    assert registry.resolve("models", "ball.py:Mine").__name__ == "Mine"


def test_a_file_without_a_class_lists_its_models(tmp_path: Path):
    adapter = tmp_path / "mine.py"
    adapter.write_text(
        "raise SystemExit('run')\nclass Other: ...\nclass Mine:\n    def encode(self): ...\n"
        "class Yours(Mine): ...\n"
    )
    with pytest.raises(KapbenchError, match=r"The file .*mine\.py names no class") as caught:
        registry.resolve("models", str(adapter))
    assert caught.value.fix == f"Write {adapter}:Mine or {adapter}:Yours"
    with pytest.raises(KapbenchError, match="does not exist"):
        registry.resolve("models", str(tmp_path / "absent.py"))


def test_a_file_that_does_not_exist_suggests_one_that_is_spelt_alike(tmp_path: Path):
    (tmp_path / "my_adapter.py").write_text("class Mine: ...")
    (tmp_path / "my_adaptr.txt").touch()
    for spec in (f"{tmp_path / 'my_adaptr.py'}:Mine", str(tmp_path / "my_adaptr.py")):
        with pytest.raises(KapbenchError, match="does not exist") as caught:
            registry.resolve("models", spec)
        assert caught.value.fix == f"Did you mean {tmp_path / 'my_adapter.py'}?"
    for absent in ("other.py:Mine", "no/folder.py:Mine"):
        with pytest.raises(KapbenchError, match="does not exist") as caught:
            registry.resolve("models", f"{tmp_path}/{absent}")
        assert caught.value.fix == "Write path/to/file.py:Class"
