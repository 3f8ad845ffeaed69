"""A wheel built from the repository and installed elsewhere does the same."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow  # builds a wheel and two environments


def call(*words: object, cwd: Path, **environment: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "KAPBENCH_RUNS")}
    command = [str(word) for word in words]
    done = subprocess.run(
        command, cwd=cwd, env=env | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("not run from a source tree")
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    call(*pip, "--wheel-dir", folder, ROOT, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its libraries are this environment's, not kapbench."""
    folder = tmp_path_factory.mktemp("elsewhere")
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    purelib = call(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder
    )
    target = Path(purelib.strip())
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile")
    call(*pip, "--target", target, wheel, cwd=folder)
    # A .pth line adds a folder to the path without reading that folder's own .pth files, so the
    # editable install beside the libraries stays out of sight.
    (target / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_wheel_carries_its_data(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    for folder, ending in {
        "kapbench/scoring/rules": ".json",
        "kapbench/datasets": ".json",
        "kapbench_baselines/sphere/weights": ".safetensors",
    }.items():
        assert any(n.startswith(folder) and n.endswith(ending) for n in names), folder
    tops = {n.partition("/")[0] for n in names if ".dist-info/" not in n}
    assert tops == {"kapbench", "kapbench_baselines", "kapbench_leaderboard"}
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_it_is_the_wheel_that_runs(elsewhere: Path):
    python = elsewhere / "venv" / "bin" / "python"
    place = call(python, "-c", "import kapbench; print(kapbench.__file__)", cwd=elsewhere)
    assert Path(place.strip()).is_relative_to(elsewhere)


def test_it_lists_and_scores_in_an_empty_folder(elsewhere: Path):
    python, empty = elsewhere / "venv" / "bin" / "python", elsewhere / "empty"
    empty.mkdir()
    listed = call(python, "-m", "kapbench", "list", "models", cwd=empty)
    assert "(not installed)" not in listed
    run = ("run", "--model", "pixels", "--dataset", "synthetic.small", "--rule", "pck-v1")
    printed = call(python, "-m", "kapbench", *run, cwd=empty)
    assert "pixels" in printed
    assert list((empty / "runs").rglob("run.json"))
