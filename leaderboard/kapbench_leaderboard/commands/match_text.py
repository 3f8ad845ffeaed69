"""What `kapbench match` prints: one table for each model."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from kapbench_leaderboard.figures.score_text import score_text

MatchNumbers: TypeAlias = Mapping[str, Any]  # as Matches.to_dict makes them
_NONE = "–"
_NAME_WIDTH = 24
_NOTE_OF_POINTS = (
    "Places are x,y in pixels, as --at takes them. Margin: the score minus that of the second peak. "
    "Way back: how far from the point the best match leads back to."
)
_NOTE_OF_REGULAR = (
    "Mutual: the best match leads back to the point's own cell. Near: it leads back to a place that "
    "is no farther than a tenth of the source's longer side. Scores and margins are medians."
)


def match_text(by_target: Sequence[Sequence[MatchNumbers]], *, width: int) -> str:
    """A table for each model, and one note below.

    Args:
        by_target: The numbers of each target by each model.
    """
    console = Console(width=width, file=io.StringIO(), color_system=None)
    of_models = [list(of_targets) for of_targets in zip(*by_target, strict=True)]
    parts: list[RenderableType] = []
    for of_targets in of_models:
        parts += [Text(_heading(of_targets)), _table(of_targets), Text("")]
    note = _NOTE_OF_REGULAR if of_models[0][0]["regular"] else _NOTE_OF_POINTS
    with console.capture() as captured:
        console.print(Group(*parts, Text(note)), soft_wrap=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _heading(of_targets: Sequence[MatchNumbers]) -> str:
    first, n = of_targets[0], len(of_targets)
    target = _name(first, "target") if n == 1 else f"{n} images"
    return f"{first['model']}: {_name(first, 'source')} → {target}"


def _table(of_targets: Sequence[MatchNumbers]) -> Table:
    """A row for each point in each target, or for each direction of a regular set."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    if of_targets[0]["regular"]:
        _add_columns(table, ["source", "target"], ["points", "mutual", "near", "score", "margin"])
        for there in of_targets:
            for matches in filter(None, (there, there["back"])):
                table.add_row(*_regular_cells(matches))
        return table
    alone = len(of_targets) == 1
    second = ["second peak", "score"] if alone else []
    numbers = ["point", "at", "best match", "score", *second, "margin", "way back"]
    _add_columns(table, [] if alone else ["target"], numbers)
    for matches in of_targets:
        name = [] if alone else [_name(matches, "target")]
        for point in matches["points"]:
            table.add_row(*name, *_point_cells(point, with_second=alone))
    return table


def _add_columns(table: Table, names: Sequence[str], numbers: Sequence[str]) -> None:
    for heading in names:
        table.add_column(heading, max_width=_NAME_WIDTH, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)


def _point_cells(point: Mapping[str, Any], *, with_second: bool) -> list[str]:
    cells = [
        str(point["point"]),
        _xy(point, "source"),
        _xy(point, "target"),
        score_text(point["score"]),
    ]
    if with_second:
        cells += [_xy(point, "second"), score_text(point["second_score"])]
    back = point["round_trip_px"]
    way_back = _NONE if back is None else f"{back:.0f} px"
    return [*cells, score_text(point["margin"]), "mutual" if point["mutual"] else way_back]


def _regular_cells(matches: MatchNumbers) -> list[str]:
    points = matches["points"]
    mutual = near = _NONE
    if all(p["mutual"] is not None for p in points):
        mutual = str(sum(p["mutual"] for p in points))
        near = str(sum(p["round_trip_px"] <= matches["near_px"] for p in points))
    margins = [p["margin"] for p in points if p["margin"] is not None]
    return [
        _name(matches, "source"),
        _name(matches, "target"),
        str(len(points)),
        mutual,
        near,
        score_text(median(p["score"] for p in points)),
        score_text(median(margins) if margins else None),
    ]


def _name(matches: MatchNumbers, which: str) -> str:
    return Path(matches[which]["image"]).name


def _xy(point: Mapping[str, Any], which: str) -> str:
    x, y = point[f"{which}_x"], point[f"{which}_y"]
    return _NONE if x is None else f"{x:.0f},{y:.0f}"
