"""README, CONTRIBUTING and docs/: every link, heading and file they name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "leaderboard" / "README.md",
        ROOT / "benchmarks" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_FILE = re.compile(
    r"(?<![\w./-])((?:benchmarks|kapbench|baselines|leaderboard|tests|docs)/[\w./-]+\.\w+)(?![\w*…{<])"
)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def headings(page: Path) -> set[str]:
    """Anchors as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", title.lower()) for title in titles)
    return {re.sub(r"\s", "-", title.strip()) for title in plain}


@every_page
def test_relative_links_lead_to_a_file_and_a_heading(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in headings(target), link


@every_page
def test_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    names = [name for name in NAMED_FILE.findall(text) if "NAME" not in name]
    missing = [name for name in names if not (ROOT / name).exists()]
    assert not missing


@every_page
def test_commands_run_files_that_exist(page):
    text = page.read_text(encoding="utf-8")
    scripts = re.findall(r"python (?:\S*/)?(benchmarks/\S+?\.py)", text)
    assert all((ROOT / script).is_file() for script in scripts)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150
