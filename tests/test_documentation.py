"""Messages name pages of the documentation by an address that a pip user can open."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kapbench
from kapbench import errors
from kapbench.errors import documentation

ROOT = Path(kapbench.__file__).parent.parent
PACKAGES = ["kapbench", "baselines/kapbench_baselines", "leaderboard/kapbench_leaderboard"]
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PAGE = re.compile(r"docs/[\w./-]*\.md")
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef)


def shown_texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Strings of a module; of docstrings their first paragraph, which `kapbench list` prints."""
    documented = (node for node in ast.walk(tree) if isinstance(node, WITH_DOCSTRING) and node.body)
    docstrings = {node.body[0].value for node in documented if isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_docstring = node in docstrings
            text = node.value.partition("\n\n")[0] if is_docstring else node.value
            yield node.lineno, text


def test_no_message_names_a_page_by_its_place_in_the_repository() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in MODULES
        for line, text in shown_texts(ast.parse(path.read_text(encoding="utf-8")))
        if PAGE.search(text)
    ]
    assert named == []


def test_the_pages_that_messages_name_exist() -> None:
    pages = [
        node.args[0].value
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "documentation"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert "datasets/manifest.md" in pages
    missing = [page for page in pages if not (ROOT / "docs" / page.partition("#")[0]).is_file()]
    assert missing == []


def test_a_page_lies_below_the_published_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "_documentation_address", lambda: "https://docs.example.org/en")
    assert documentation("models.md#sift") == "https://docs.example.org/en/models.html#sift"
    assert documentation("datasets/README.md") == "https://docs.example.org/en/datasets/index.html"


def test_the_published_address_is_read_from_the_installed_metadata(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from email.message import Message

    installed = Message()
    installed["Project-URL"] = "Paper, https://arxiv.org/abs/1"
    installed["Project-URL"] = "Documentation, https://docs.example.org/en/"
    monkeypatch.setattr(errors, "metadata", lambda _: installed)
    assert errors._documentation_address.__wrapped__() == "https://docs.example.org/en"


def test_without_an_address_a_page_is_a_file_of_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "_documentation_address", lambda: None)
    assert documentation("adapters.md#options") == f"{ROOT / 'docs' / 'adapters.md'}#options"


def test_without_a_clone_a_page_is_a_file_of_the_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(errors, "_documentation_address", lambda: None)
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "kapbench" / "errors.py"))
    page = tmp_path / "kapbench" / "docs" / "adapters.md"
    page.parent.mkdir(parents=True)
    page.touch()
    assert documentation("adapters.md") == str(page)
