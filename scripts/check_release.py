"""Build the wheel and the source distribution, check both, and try the wheel in a fresh environment.

    python scripts/check_release.py dist --tag v0.1.0

It needs build, hatchling and twine (the dev extra has them). The release workflow runs it and
uploads what it leaves in `dist`; tests/test_release.py runs it without the upload.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO_MODEL = "sphere"


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    version = read_version()
    if options.tag is not None:
        check_tag(options.tag, version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    wheel = build(options.dist, version)
    with tempfile.TemporaryDirectory(prefix="kapbench-release-") as scratch:
        python = make_environment(options.environment or Path(scratch) / "environment")
        install(python, wheel, options.libraries)
        try_wheel(python, version, options.dataset, Path(scratch))
    print(f"The release {version} in {options.dist} passed every check.")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dist", type=Path, help="A new or empty folder for the files to upload.")
    parser.add_argument("--tag", help="The tag of the release. It must be v and the version.")
    parser.add_argument(
        "--dataset", default="synthetic", help="The data set of the demo.  [default: synthetic]"
    )
    parser.add_argument(
        "--libraries",
        type=Path,
        help="A site-packages folder that holds the dependencies. "
        "Without it they are installed from the package index, as constraints.txt names them.",
    )
    parser.add_argument(
        "--environment",
        type=Path,
        help="A folder to keep the fresh environment in.  [default: it is removed]",
    )
    options = parser.parse_args(arguments)
    if options.dist.is_dir() and any(options.dist.iterdir()):
        parser.error(f"{options.dist} is not empty. Remove its files or choose another folder.")
    options.dist = options.dist.resolve()
    return options


def read_version() -> str:
    with (ROOT / "pyproject.toml").open("rb") as file:
        version: str = tomllib.load(file)["project"]["version"]
    return version


def check_tag(tag: str, version: str, changelog: str) -> None:
    """Exit where the tag is not of this version, or the changelog has no dated heading for it."""
    if tag != f"v{version}":
        sys.exit(
            f"The tag is {tag}, but pyproject.toml has version {version}. Correct one of them."
        )
    if not re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE
    ):
        sys.exit(
            f"CHANGELOG.md has no heading for version {version}. "
            f"Rename the heading [Unreleased] to [{version}] - YEAR-MONTH-DAY."
        )


def build(dist: Path, version: str) -> Path:
    """Build the source distribution, and the wheel from it; return the wheel's path."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT)
    (wheel,) = dist.glob(f"kapbench-{version}-*.whl")
    (source,) = dist.glob(f"kapbench-{version}.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, source)
    return wheel


def make_environment(folder: Path) -> Path:
    """Make a virtual environment; return its Python."""
    run(sys.executable, "-m", "venv", folder)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def install(python: Path, wheel: Path, libraries: Path | None) -> None:
    pip = (python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet")
    if libraries is None:
        run(*pip, "-c", ROOT / "constraints.txt", wheel)
        return
    run(*pip, "--no-deps", "--no-index", wheel)
    # A line of a .pth file adds a folder to the path without reading that folder's own .pth files,
    # so an editable install of kapbench beside the libraries stays out of the path.
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    (Path(purelib.strip()) / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")


def try_wheel(python: Path, version: str, dataset: str, scratch: Path) -> None:
    """Run the installed package in an empty folder: its version, its models, the demo."""
    empty = scratch / "empty"
    empty.mkdir()
    kapbench = (python, "-m", "kapbench")
    if version not in run(*kapbench, "--version", cwd=empty).split():
        sys.exit(f"The installed wheel does not report version {version}.")
    if "(not installed)" in run(*kapbench, "list", "models", cwd=empty):
        sys.exit("The wheel registers a model whose module it does not contain.")
    run(*kapbench, "run", "--model", DEMO_MODEL, "--dataset", dataset, cwd=empty)
    if not any((empty / "runs").rglob("run.json")):
        sys.exit("The demo has written no run card.")


def run(*words: object, cwd: Path | None = None) -> str:
    """Run a command and return what it printed. Exit with its output where it fails."""
    command = [str(word) for word in words]
    print("+", *command, file=sys.stderr, flush=True)
    hidden = {"PYTHONPATH", "KAPBENCH_RUNS"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        sys.exit(f"{result.stdout}{result.stderr}This command failed: {' '.join(command)}")
    return result.stdout


if __name__ == "__main__":
    main()
