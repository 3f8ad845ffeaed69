"""The plug-in that turns run cards into tables: the core never imports the leaderboard."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.running.results import RunCard

FORMATS = ("text", "markdown", "latex", "csv", "json", "html")
VIEWS = ("category", "symmetry", "twin", "viewpoint", "occlusion", "average", "rule")


class Board(Protocol):
    """Finished runs to one text; see comparison.groups of the leaderboard for what may share a table."""

    def __call__(
        self,
        runs: "Mapping[Path, RunCard]",
        *,
        rules: Sequence[str] | None = None,
        by: str | None = None,
        alpha: float = 0.10,
        how: str = "text",
        paired: bool = False,
        width: int = 80,
        colour: bool = False,
        advance: Callable[[int], None] | None = None,
    ) -> str:
        """
        Args:
            rules: Names of the rules to show; None: one for KAP and one for PCK.
            by: One of VIEWS; None: one row of headline numbers a model.
            paired: Add ranks, and differences on the same resamples; reads the runs' records.
            advance: Told of every run that was resampled.
        """


def board() -> Board:
    """
    Raises:
        KapbenchError: the plug-in is not installed.
    """
    found: Board = plugin("tables")
    return found


def plugin(name: str) -> Any:
    """What an installed package offers the command of this name.

    Raises:
        KapbenchError: nothing does.
    """
    for entry in entry_points(group="kapbench.boards", name=name):
        return entry.load()
    raise KapbenchError(
        f"no plug-in offers '{name}'",
        place="entry point group kapbench.boards",
        fix="install kapbench again: pip install --force-reinstall kapbench",
    )
