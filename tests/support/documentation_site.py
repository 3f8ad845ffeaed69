"""The documentation site, built once for all tests of a process."""

import functools
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class BuiltSite:
    folder: Path
    status: int
    log: str


@functools.cache
def built_site() -> BuiltSite:
    """As `make docs` builds it; every warning is an error there."""
    folder = Path(tempfile.mkdtemp(prefix="kapbench-docs-"))
    finished = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return BuiltSite(folder, finished.returncode, finished.stdout + finished.stderr)
