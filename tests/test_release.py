"""The release up to its upload: scripts/check_release.py, and what the two built files hold."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "check_release.py"


@dataclass(frozen=True)
class Release:
    wheel: Path
    source: Path
    python: Path  # of the fresh environment that has the wheel


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Every step of the release but the upload; the libraries are those that run this test."""
    folder = tmp_path_factory.mktemp("release")
    libraries = Path(np.__file__).parents[1]
    options = ("--libraries", libraries, "--environment", folder / "environment")
    command = [sys.executable, SCRIPT, folder / "dist", "--dataset", "synthetic.small", *options]
    finished = subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    (source,) = (folder / "dist").glob("*.tar.gz")
    return Release(wheel, source, folder / "environment" / "bin" / "python")


@pytest.mark.slow
def test_the_wheel_carries_its_data(release: Release):
    names = zipfile.ZipFile(release.wheel).namelist()
    for folder, ending in {
        "kapbench/scoring/rules": ".json",
        "kapbench/datasets": ".json",
        "kapbench_baselines/sphere/weights": ".safetensors",
        "kapbench/docs/datasets": ".md",
    }.items():
        assert any(n.startswith(folder) and n.endswith(ending) for n in names), folder
    tops = {n.partition("/")[0] for n in names if ".dist-info/" not in n}
    assert tops == {"kapbench", "kapbench_baselines", "kapbench_leaderboard"}
    assert any(n.endswith("licenses/LICENSE") for n in names)


@pytest.mark.slow
def test_the_installed_package_is_the_wheel(release: Release, tmp_path: Path):
    command = [str(release.python), "-c", "import kapbench; print(kapbench.__file__)"]
    place = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert Path(place.strip()).is_relative_to(release.python.parents[1])


@pytest.mark.slow
def test_the_source_distribution_holds_what_its_tests_read(release: Release):
    """Every tracked file, but for records of entries that no test reads and the private CI."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("git does not list the files of this folder")
    with tarfile.open(release.source) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    missing = set(listed.stdout.splitlines()) - packed
    assert {name for name in missing if not left_out(name)} == set()
    assert not any(name.startswith((".ci/", "runs/", "site/")) for name in packed)


def left_out(name: str) -> bool:
    if name.startswith(".ci/"):
        return True
    return name.startswith("leaderboard/results/") and name.endswith(".parquet")


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_release", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_tag_of_another_version_is_refused(script: ModuleType):
    with pytest.raises(
        SystemExit, match=r"The tag is v0\.2\.0, but pyproject\.toml has version 0\.1\.0"
    ):
        script.check_tag("v0.2.0", "0.1.0", "## [0.1.0] - 2026-01-31\n")


def test_a_release_needs_its_heading_in_the_changelog(script: ModuleType):
    script.check_tag("v0.1.0", "0.1.0", "# Changelog\n\n## [0.1.0] - 2026-01-31\n")
    with pytest.raises(SystemExit, match=r"has no heading for version 0\.1\.0"):
        script.check_tag("v0.1.0", "0.1.0", "# Changelog\n\n## [Unreleased]\n")


def test_the_workflow_calls_the_script_with_options_that_it_has(script: ModuleType):
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    (line,) = re.findall(r"python scripts/check_release\.py (.+)$", workflow, re.MULTILINE)
    options = script.parse(shlex.split(line))
    assert (options.dist.name, options.dataset) == ("dist", "synthetic")
    assert options.tag == "$GITHUB_REF_NAME"
    assert options.libraries is None


def test_files_of_an_older_build_are_never_uploaded(script: ModuleType, tmp_path: Path):
    (tmp_path / "kapbench-0.0.9.tar.gz").touch()
    with pytest.raises(SystemExit):
        script.main([str(tmp_path)])


def test_a_failing_command_stops_the_release(script: ModuleType):
    with pytest.raises(SystemExit, match="wrong\nThis command failed: "):
        script.run(sys.executable, "-c", "import sys; sys.exit('wrong')")
