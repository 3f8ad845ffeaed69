"""How `run` and `sweep` call the plug-in that prints finished runs as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kapbench.running.board_plugin import board_function

if TYPE_CHECKING:
    from kapbench.running.results import RunCard


class RunsTable(Protocol):
    """Finished runs by folder as text for a terminal.

    `rules`: names of the rules to show; None: one for KAP and one for PCK.
    """

    def __call__(
        self, runs: "Mapping[Path, RunCard]", *, rules: Sequence[str] | None, alpha: float
    ) -> str: ...


def runs_table() -> RunsTable:
    """The installed table plug-in. KapbenchError where there is none."""
    return board_function("tables")
