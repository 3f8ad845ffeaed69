"""The plug-in behind `kapbench site`."""

from collections.abc import Callable
from pathlib import Path

from kapbench_leaderboard.site.build import build

__all__ = ["site"]


def site(results: Path, out: Path, advance: Callable[[int], None] | None = None) -> int:
    """Writes the site of a folder of results; returns how many pages."""
    return build(results, out, advance)
