"""What an installed leaderboard does with finished runs: the core never imports one."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Literal

from kapbench.errors import KapbenchError

GROUP = "kapbench.boards"
Name = Literal[
    "tables", "compare", "table", "latex", "drops", "drops_text", "match_figure", "match_files"
]


def board_function(name: Name) -> Callable[..., Any]:
    """The function that is installed under a name; it is imported now. KapbenchError without one.

    "tables" and "drops_text" print runs for a terminal; "match_figure" and "match_files" are behind
    `Matches.figure` and `Matches.save`; the others are behind `kapbench.compare`, `kapbench.table`,
    `kapbench.to_latex` and `kapbench.corruption_drops`.
    """
    for entry in entry_points(group=GROUP, name=name):
        function: Callable[..., Any] = entry.load()
        return function
    raise KapbenchError(
        "The leaderboard package, which makes tables of runs, is not installed",
        place=f"entry point '{name}' of the group {GROUP}",
        fix="Install kapbench again: pip install --force-reinstall kapbench",
    )
