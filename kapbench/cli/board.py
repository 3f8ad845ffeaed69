"""The plug-in that turns run cards into tables: the core never imports the leaderboard."""

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

from kapbench.errors import KapbenchError

if TYPE_CHECKING:
    from kapbench.running.results import RunCard

FORMATS = ("text", "markdown", "csv", "json")


class Board(Protocol):
    """Run cards to one text; see kapbench_leaderboard.board for what may share a table."""

    def __call__(
        self,
        cards: "Sequence[RunCard]",
        *,
        rules: Sequence[str] | None = None,
        by: str | None = None,
        alpha: float = 0.10,
        how: str = "text",
        width: int = 80,
        colour: bool = False,
    ) -> str:
        """
        Args:
            rules: Names of the rules to show; None: one for KAP and one for PCK.
            by: "category" or "rule"; None: one row of headline numbers a model.
        """


def board() -> Board:
    """
    Raises:
        KapbenchError: the plug-in is not installed.
    """
    for entry in entry_points(group="kapbench.boards", name="tables"):
        found: Board = entry.load()
        return found
    raise KapbenchError(
        "no plug-in draws tables", place="entry point group kapbench.boards",
        fix="install kapbench again: pip install --force-reinstall kapbench",
    )  # fmt: skip
