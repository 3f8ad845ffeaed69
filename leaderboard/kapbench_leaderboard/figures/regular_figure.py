"""The figure of a regular set of points: coloured by position, matched both ways."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from kapbench.matching.matches import Matches
from kapbench_leaderboard.figures.match_marks import within
from kapbench_leaderboard.figures.panel_grid import Row, draw_rows, show
from kapbench_leaderboard.figures.position_colours import position_colours
from kapbench_leaderboard.figures.style import PAGE_IN, Style, outlined, wrapped


def draw_regular(
    of_models: Sequence[Matches], *, lines: bool = False, width_in: float = PAGE_IN
) -> Figure:
    """A row for each direction: the points in one image, and each model's matches in the other.

    Models have rows of their own where their points differ, since each has its own foreground, and
    where lines join the points, which would run across the images of other models.
    """
    groups = [list(some) for _, some in groupby(of_models, key=_points_key)]
    if lines:
        groups = [[matches] for matches in of_models]
    directions = [[m if way == 0 else m.back for m in some] for some in groups for way in (0, 1)]
    drawn = [[m for m in row if m is not None] for row in directions]
    drawn = [row for row in drawn if row]
    foot = _foot(drawn, lines, width_in)
    figure, axes = draw_rows([_row(row) for row in drawn], (), foot, width_in)
    for row, places in zip(drawn, axes, strict=True):
        _draw_direction(row, places, lines=lines)
    return figure


def _points_key(matches: Matches) -> bytes:
    back = b"" if matches.back is None else matches.back.points.tobytes()
    return matches.points.tobytes() + back


def _row(row: Sequence[Matches]) -> Row:
    first = row[0]
    titles = [f"{len(first)} points of {Path(first.source.name).name}"]
    titles += [f"{m.model}, {Path(m.target.name).name}\n{_describe(m)}" for m in row]
    return Row([first.source.size, *[first.target.size] * len(row)], titles, 1 + len(row))


def _describe(matches: Matches) -> str:
    if matches.mutual is None:
        return f"{len(matches)} matches"
    n_mutual, n_near = int(matches.mutual.sum()), int(returning(matches).sum())
    return f"{n_mutual} of {len(matches)} mutual, {n_near} return within {matches.near_px:.0f} px"


def returning(matches: Matches) -> Bool[np.ndarray, "q"]:
    """Whether the way back ends near the point."""
    assert matches.round_trip_px is not None
    return np.asarray(matches.round_trip_px <= matches.near_px)


def _draw_direction(row: Sequence[Matches], places: Sequence[Axes], *, lines: bool) -> None:
    first = row[0]
    colours = position_colours(first.points)
    show(places[0], first.source.pixels)
    draw_coloured(places[0], first.points, colours, first if len(row) == 1 else None)
    for m, place in zip(row, places[1:], strict=True):
        show(place, m.target.pixels)
        draw_coloured(place, m.best, colours, m)
        if lines and m.mutual is not None:
            _join(places[0], place, m, colours)


def draw_coloured(
    axes: Axes,
    points: Float64[np.ndarray, "q 2"],
    colours: Float64[np.ndarray, "q 3"],
    matches: Matches | None,
) -> None:
    """Mutual points filled, others hollow, and crosses where the way back ends far away.

    Args:
        matches: Of the points; None, or with a model that has no round trips: all are filled.
    """
    rank = np.full(len(points), 2)
    if matches is not None and matches.mutual is not None:
        rank = np.where(matches.mutual, 2, returning(matches))
    for level in (0, 1, 2):  # the mutual ones on top
        for xy, colour in zip(points[rank == level], colours[rank == level], strict=True):
            style, rim = _dot(level, tuple(colour.tolist()))
            (dot,) = axes.plot(
                *within(axes, (float(xy[0]), float(xy[1]))),
                **style,
                clip_on=False,
                zorder=3 + level,
            )
            outlined(dot, style["markeredgewidth"] + 0.9, rim)


def _dot(level: int, colour: tuple[float, ...]) -> tuple[Style, str]:
    """How a match is marked, and the colour of its rim."""
    if level == 2:
        filled = {"marker": "o", "markersize": 4.5, "markerfacecolor": colour}
        return {**filled, "markeredgecolor": "white", "markeredgewidth": 0.7}, "black"
    hollow: Style = {"marker": "o" if level else "x", "markersize": 4 if level else 3}
    return {
        **hollow,
        "markerfacecolor": "none",
        "markeredgecolor": colour,
        "markeredgewidth": 1.1 if level else 0.9,
    }, "white"


def _join(left: Axes, right: Axes, matches: Matches, colours: Float64[np.ndarray, "q 3"]) -> None:
    assert matches.mutual is not None
    for i in np.flatnonzero(matches.mutual):
        start, end = (tuple(xy[i].tolist()) for xy in (matches.points, matches.best))
        line = ConnectionPatch(
            start, end, "data", "data", axesA=left, axesB=right, color=tuple(colours[i])
        )
        line.set_linewidth(0.7)
        left.figure.add_artist(line)


def _foot(drawn: Sequence[Sequence[Matches]], lines: bool, width_in: float) -> list[str]:
    text = (
        "A match has the colour of its point: blue to yellow from left to right, dark to light from "
        "top to bottom."
    )
    text += marks_note([m for row in drawn for m in row])
    if lines and any(m.mutual is not None for row in drawn for m in row):
        text += " Lines join mutual ones."
    return wrapped(text, width_in)


def marks_note(drawn: Sequence[Matches]) -> str:
    """What filled, hollow and crossed marks mean; empty where no model has a way back."""
    if all(m.mutual is None for m in drawn):
        return ""
    return (
        " Filled: mutual nearest neighbours. Hollow: the way back ends near the point. Cross: it"
        " ends elsewhere."
    )
