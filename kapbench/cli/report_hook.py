"""The plug-in that prints finished runs as a table: the core never imports a leaderboard."""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.running.results import RunCard

GROUP, NAME = "kapbench.boards", "tables"


class RunsTable(Protocol):
    """Finished runs by folder as text for a terminal.

    `rules`: names of the rules to show; None: one for KAP and one for PCK.
    """

    def __call__(
        self, runs: "Mapping[Path, RunCard]", *, rules: Sequence[str] | None, alpha: float
    ) -> str: ...


def runs_table() -> RunsTable:
    """The installed table plug-in. KapbenchError where there is none."""
    for entry in entry_points(group=GROUP, name=NAME):
        table: RunsTable = entry.load()
        return table
    raise KapbenchError(
        "No installed package prints tables of runs",
        place=f"entry point '{NAME}' of the group {GROUP}",
        fix="Install kapbench again: pip install --force-reinstall kapbench",
    )
