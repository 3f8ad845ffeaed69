"""The plug-in behind `kapbench submit`: what it prints and whether it is content."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.files import write_atomically
from kapbench.running.results import load_card, load_records
from kapbench_leaderboard.board import group
from kapbench_leaderboard.compare import tables
from kapbench_leaderboard.entries import find_entries, load_entry
from kapbench_leaderboard.entry_runs import entry_runs
from kapbench_leaderboard.render import render
from kapbench_leaderboard.submit import manifest
from kapbench_leaderboard.submit.check import check
from kapbench_leaderboard.submit.prepare import TEMPLATE, prepare

__all__ = ["TEMPLATE", "check_all", "entry_runs", "make_manifest", "prepare", "reproduce_text"]


def check_all(
    paths: Sequence[Path], base: str | None = None, records: Path | None = None
) -> tuple[str, bool]:
    """A report of entries, or of all below folders, and whether everything is in order.

    Args:
        base: A git revision whose results may not be changed.

    Raises:
        KapbenchError: a path without entries, or no git repository to compare with.
    """
    lines: list[str] = []
    good = True
    for root in paths:
        entries = [root] if root.suffix == ".json" else find_entries(root)
        if not entries:
            raise KapbenchError(
                "no entries", place=root, fix="give an entry's .json or a folder of results"
            )
        for changed in _changed(root, base) if base else ():
            good = False
            lines.append(f"REFUSED  {changed}: accepted results are never changed, only added to")
        for path in entries:
            found = check(path, records)
            good &= not found
            lines.append(f"{'REFUSED ' if found else 'in order'}  {path}")
            lines += [f"  - {finding.replace(chr(10), chr(10) + '    ')}" for finding in found]
        if good:
            cards = [load_entry(path).run for path in entries]
            lines += ["", render(tables(group(cards)), "markdown")]
    return "\n".join(lines) + "\n", good


def make_manifest(folder: Path, to: Path) -> Path:
    """Writes the manifest of a run's data set; returns its path."""
    made = manifest.make(load_card(folder), load_records(folder))
    path = to / made.file_name
    write_atomically(path, (made.model_dump_json(indent=1) + "\n").encode())
    return path


def reproduce_text(
    path: Path,
    n: int,
    *,
    model: str | None = None,
    data_root: Path | None = None,
    device: str = "cpu",
    tolerance: float | None = None,
    records: Path | None = None,
) -> tuple[str, bool]:
    """A report of a run repeated on `n` pairs, and whether it agrees."""
    from kapbench_leaderboard.submit.reproduce import reproduce

    found = reproduce(
        path, n, model=model, data_root=data_root, device=device, tolerance=tolerance,
        records=records,
    )  # fmt: skip
    lines = [
        f"{found.n_rows:,} rows of {found.n_pairs:,} pairs run again, tolerance {found.within:g}"
    ]
    worst = sorted(found.worst.items(), key=lambda item: -item[1])
    lines += [f"  {column}: differs by up to {gap:.3g}" for column, gap in worst[:10]]
    lines.append("agrees" if found.agrees else "DOES NOT AGREE")
    return "\n".join(lines) + "\n", found.agrees


def _changed(root: Path, base: str) -> list[str]:
    """Files below `root` that are in `base` and are not what they were."""
    command = ["git", "-C", str(root if root.is_dir() else root.parent), "diff", "--name-status",
               "--no-renames", base, "--", "."]  # fmt: skip
    try:
        # The revision comes from the maintainer's command line; no shell sees it.
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise KapbenchError(
            f"cannot compare with git revision {base!r}", place=root, fix="fetch it first"
        ) from error
    lines = (line.split("\t") for line in found.stdout.splitlines())
    return [name for status, name in lines if status != "A"]
