"""What stands in one place: the version, the repository's address; and what the workflows may do."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
SECTIONS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
# A repository or pages named kapbench at a host of code, packages or documentation.
ADDRESS = re.compile(
    r"https?://[\w.-]*(?:"
    r"(?:github|gitlab|bitbucket)\.(?:com|org)/[\w.-]+/kapbench"
    r"|codeberg\.org/[\w.-]+/kapbench"
    r"|(?:github|gitlab)\.io/kapbench"
    r"|kapbench\.(?:readthedocs\.io|org|com|dev|io)"
    r"|pypi\.org/(?:project|p)/kapbench"
    r"|huggingface\.co/(?:spaces/|datasets/)?(?:kapbench|[\w.-]+/kapbench)"
    r")"
)
REPEATS_THE_ADDRESS = {"pyproject.toml", "README.md", "CITATION.cff"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def tracked_text() -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("git does not list the files of this folder")
    binary = {".parquet", ".safetensors", ".png", ".jpg", ".npz"}
    names = [name for name in listed.stdout.splitlines() if Path(name).suffix not in binary]
    return {
        name: (ROOT / name).read_text(encoding="utf-8", errors="ignore")
        for name in names
        if (ROOT / name).is_file() and not name.startswith("leaderboard/results/")
    }


def test_citation_has_the_version():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_no_module_repeats_the_version():
    repeated = re.compile(rf"[\"']{re.escape(PROJECT['version'])}[\"']")
    places = [p for p in (ROOT / "kapbench").rglob("*.py") if repeated.search(p.read_text("utf-8"))]
    assert places == []


def test_the_repositorys_address_is_written_once():
    """README and CITATION.cff repeat `project.urls.Source`; without one, no file names an address."""
    source = PROJECT["urls"].get("Source")
    addresses = {
        (name, match.group())
        for name, text in tracked_text().items()
        if name != "tests/test_project_files.py"
        for match in ADDRESS.finditer(text)
    }
    assert {name for name, _ in addresses} <= REPEATS_THE_ADDRESS
    assert {address for _, address in addresses} <= {source}
    assert yaml.safe_load(read("CITATION.cff")).get("repository-code") == source
    assert (source is None) or f"git clone {source}" in read("README.md")


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/someone/kapbench",
        "https://someone.github.io/kapbench",
        "https://kapbench.readthedocs.io",
        "https://pypi.org/project/kapbench",
    ],
)
def test_an_invented_address_is_noticed(text):
    assert ADDRESS.search(f"See <{text}/>.")


def test_the_changelog_has_dated_versions_with_known_sections():
    headings = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]" or PROJECT["version"] in headings[0]
    for heading in headings:
        assert re.fullmatch(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)
    assert set(re.findall(r"^### (.+)$", read("CHANGELOG.md"), re.MULTILINE)) <= set(SECTIONS)


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_actions_and_ask_for_few_rights(path):
    workflow = load(path)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for action in filter(None, (step.get("uses") for step in steps)):
        assert re.search(r"@(v\d[\d.]*|release/v\d+|[0-9a-f]{40})$", action), action
    for step in steps:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    rights = {path.stem: workflow["permissions"]}
    rights |= {
        name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job
    }
    writing = {
        (name, scope)
        for name, scopes in rights.items()
        for scope, right in scopes.items()
        if right == "write"
    }
    assert writing == {
        "docs": {("publish", "pages"), ("publish", "id-token")},
        "leaderboard-comment": {("leaderboard-comment", "pull-requests")},
        "release": {("publish", "id-token"), ("publish", "attestations")},
    }.get(path.stem, set())


def test_the_tests_run_on_every_supported_python():
    classifiers = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    jobs = load(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    assert jobs["quick"]["strategy"]["matrix"]["python"] == classifiers
    assert PROJECT["requires-python"] == f">={classifiers[0]}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_targets_and_scripts_of_workflows_exist(path):
    targets = re.findall(r"^([\w-]+):", read("Makefile"), re.MULTILINE)
    for command in re.findall(r"\bmake ([\w-]+)", path.read_text(encoding="utf-8")):
        assert command in targets
    for script in re.findall(r"\bscripts/\w+\.py", path.read_text(encoding="utf-8")):
        assert (ROOT / script).is_file()


def test_the_lowest_torch_is_read_from_pyproject():
    """The workflow's sed line finds exactly one version."""
    expression = re.search(r"sed -n '(.+)' pyproject", read(".github/workflows/tests.yml"))
    assert expression is not None
    command = ["sed", "-n", expression.group(1), "pyproject.toml"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"torch==\d+\.\d+\n", printed)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_are_complete(path):
    form = load(path)
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "labels", "body"} == set(form)
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    names = [part["id"] for part in fields]
    assert len(set(names)) == len(names)
    assert all(part["attributes"]["label"] for part in fields)
    assert any(part.get("validations", {}).get("required") for part in fields)
