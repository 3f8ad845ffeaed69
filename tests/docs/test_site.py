"""The documentation site: every public name and command is on it, and it builds without a warning."""

import importlib.util
import inspect
import re
from pathlib import Path

import click
import command_pages
import pytest
import repository_links
import yaml
from documentation_site import built_site

import kapbench
from kapbench.cli.main import main

ROOT = Path(__file__).parents[2]
HAS_MKDOCS = importlib.util.find_spec("mkdocs") is not None
DOCS = ROOT / "docs"
NAMED = re.compile(r"^::: (kapbench[\w.]*)$", re.MULTILINE)
ELSEWHERE = re.compile(r"<(?:script|img|link|iframe)[^>]*?(?:src|href)=[\"']?(https?:[^\"' >]+)")


def built(test):
    """A test that reads the built site."""
    skips = pytest.mark.skipif(not HAS_MKDOCS, reason="the extra docs is not installed")
    return pytest.mark.slow(skips(test))


def on_api_pages() -> list[str]:
    texts = (path.read_text(encoding="utf-8") for path in sorted((DOCS / "api").glob("*.md")))
    return [name for text in texts for name in NAMED.findall(text)]


def test_every_public_name_is_in_the_python_reference_with_a_docstring():
    names = {f"kapbench.{name}" for name in kapbench.__all__} - {"kapbench.__version__"}
    assert names <= set(on_api_pages())
    assert "`kapbench.__version__`" in (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    bare = [name for name in names if not inspect.getdoc(getattr(kapbench, name.split(".")[1]))]
    assert bare == []


def every_command(command: click.Command, context: click.Context) -> list[click.Context]:
    contexts = [context]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            own = click.Context(member, parent=context, info_name=name)
            contexts += [] if member.hidden else every_command(member, own)
    return contexts


def test_every_command_and_option_is_in_the_reference():
    pages = command_pages.pages()
    text = "\n".join(pages.values())
    headings = set(re.findall(r"^#+ (kapbench.*)$", text, re.MULTILINE))
    _, *contexts = every_command(main, click.Context(main, info_name="kapbench"))
    assert {context.command_path for context in contexts} == headings
    for context in contexts:
        page = pages[f"commands/{context.command_path.split()[1]}.md"]
        for option in context.command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.opts[-1] in page, f"{context.command_path} {option.opts[-1]}"


def test_examples_of_a_command_are_a_block_of_code():
    page = command_pages.pages()["commands/compare.md"]
    assert "Examples:\n\n```text\nkapbench compare" in page
    assert "\b" not in page


@pytest.mark.parametrize(
    ("page", "link", "changed"),
    [
        ("submitting.md", "[a](../CONTRIBUTING.md#style)", "[a](repository/CONTRIBUTING.md#style)"),
        ("repository/CONTRIBUTING.md", "[a](docs/models.md)", "[a](../models.md)"),
        ("repository/benchmarks/README.md", "[a](../docs/metrics.md)", "[a](../../metrics.md)"),
        ("cards.md", "[a](training)", "[a](training/README.md)"),
        ("index.md", "[a](notebooks/quickstart.ipynb)", "[a](notebooks/quickstart.md)"),
        ("datasets/README.md", "[`a.py`](../../kapbench/types.py)", "`a.py`"),
        ("concepts/kap.md", "![a](../images/maps.png)", "![a](../images/maps.png)"),
        ("concepts/kap.md", "[a](https://example.org/x.md)", "[a](https://example.org/x.md)"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(page, link, changed):
    assert repository_links.on_site(f"See {link}.", page) == f"See {changed}."


def test_links_in_code_stay_as_they_are():
    code = "```\n[a](../CONTRIBUTING.md)\n```\n"
    assert repository_links.on_site(code, "submitting.md") == code


def test_the_page_of_rules_is_made_from_their_files():
    path = DOCS / "make_rules_page.py"
    spec = importlib.util.spec_from_file_location("make_rules_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), f"run {path.name}"


def test_the_index_of_the_documentation_names_every_page():
    """Of docs/ itself and of the folders that have no index of their own."""
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    folders = (DOCS, DOCS / "api", DOCS / "concepts", DOCS / "notebooks", DOCS / "studies")
    pages = [
        path for folder in folders for path in folder.glob("*") if path.suffix in (".md", ".ipynb")
    ]
    names = {path.relative_to(DOCS).as_posix() for path in pages} - {"README.md"}
    assert {name for name in names if f"({name}" not in index} == set()


@built
def test_the_site_builds_without_a_warning():
    """No broken link or anchor, no page that the navigation leaves out, no docstring that misleads."""
    site = built_site()
    assert site.status == 0, site.log
    assert "WARNING" not in site.log


@built
def test_no_page_of_the_site_loads_anything_from_elsewhere():
    for path in built_site().folder.rglob("*.html"):
        assert ELSEWHERE.findall(path.read_text(encoding="utf-8")) == [], path


@built
def test_every_public_name_is_rendered_with_its_docstring():
    pages = [path.read_text(encoding="utf-8") for path in built_site().folder.glob("api/*.html")]
    text = "\n".join(pages)
    for name in on_api_pages():
        assert f'id="{name}"' in text, name
    assert "Scores a model on a data set under one or more rules." in text


def test_the_wheel_and_the_repository_hold_no_page_of_the_site():
    assert "/site/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'exclude = ["/docs/**/*.*", "!/docs/**/*.md"]' in text


def test_the_published_site_holds_the_board():
    workflow = yaml.safe_load((ROOT / ".github/workflows/docs.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["build"]["steps"]
    assert {"run": "make docs"} in steps
    assert any(step.get("with", {}).get("path") == "site" for step in steps)
    assert "-o $(SITE)/board" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert workflow["jobs"]["publish"]["if"] == "github.event_name == 'push'"
