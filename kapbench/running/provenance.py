"""Where a result comes from: versions, commit, machine."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kapbench.isolated.models import Protection
from kapbench.running.results import Provenance

PACKAGES = (
    "torch",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "safetensors",
    "transformers",
    "trimesh",
)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(
    *,
    scoring: int,
    device: str,
    started: str,
    seconds: float,
    seed: int,
    records: str,
    seconds_per_image: float | None = None,
    isolated: tuple[Protection, ...] = (),
) -> Provenance:
    commit, dirty = _git(Path(__file__).parent)
    return Provenance(
        kapbench=_version("kapbench") or "unknown",
        scoring=scoring,
        python=sys.version.split()[0],
        packages={name: number for name in PACKAGES if (number := _version(name))},
        git_commit=commit,
        git_dirty=dirty,
        platform=f"{platform.system()} {platform.machine()}",
        device=device,
        started=started,
        seconds=round(seconds, 3),
        seed=seed,
        records_sha256=records,
        seconds_per_image=seconds_per_image,
        isolated=isolated,
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path) -> tuple[str | None, bool | None]:
    """Commit of the checkout that holds kapbench itself; None for an installed wheel."""
    try:
        if _output(folder, "ls-files", "--error-unmatch", "provenance.py"):
            return _output(folder, "rev-parse", "HEAD"), bool(
                _output(folder, "status", "--porcelain", "--untracked-files=no")
            )
    except (OSError, subprocess.SubprocessError):
        pass
    return None, None


def _output(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    # The command holds no input of the user.
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    return done.stdout.strip()
