"""The figure of `kapbench match`: points of a source, and where models find them in a target."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.errors import KapbenchError
from kapbench.matching.matches import Matches
from kapbench_leaderboard.figures import panel_grid
from kapbench_leaderboard.figures.match_marks import draw_map, draw_numbered, draw_peaks
from kapbench_leaderboard.figures.panel_grid import Row, draw_rows
from kapbench_leaderboard.figures.regular_figure import draw_regular
from kapbench_leaderboard.figures.score_text import score_text
from kapbench_leaderboard.figures.style import PAGE_IN, styled, wrapped

MAX_MODELS = 4
_MAPS_IN_A_ROW = 3


def match_figure(
    of_models: Sequence[Matches], *, lines: bool = False, width_in: float = PAGE_IN
) -> Figure:
    """The figure for the matches of one model, or of several side by side.

    Args:
        lines: Whether lines join mutual nearest neighbours of a regular set.

    Raises:
        KapbenchError: too many models; they did not match the same points of the same images.
    """
    _refuse_apart(of_models)
    with styled():
        if of_models[0].regular:
            return draw_regular(of_models, lines=lines, width_in=width_in)
        return draw_points(of_models, width_in)


def _refuse_apart(of_models: Sequence[Matches]) -> None:
    first, *others = of_models
    if len(of_models) > MAX_MODELS:
        raise KapbenchError(
            f"{len(of_models)} models do not fit side by side",
            fix=f"Draw at most {MAX_MODELS} in a figure",
        )
    for other in others:
        names = {(m.source.name, m.target.name, m.regular) for m in (first, other)}
        same_points = first.regular or np.array_equal(first.points, other.points)
        if len(names) > 1 or not same_points:
            raise KapbenchError(
                "Matches in one figure must be of the same points of the same images",
                place=f"{first.model} and {other.model}",
                fix="Match the same points of the same two images by each model",
            )


def draw_points(of_models: Sequence[Matches], width_in: float = PAGE_IN) -> Figure:
    """Source and best matches above; below, the similarity map of each point by each model."""
    first, n_models = of_models[0], len(of_models)
    source, target = first.source, first.target
    titles = [short(source.name), *(f"{m.model}\n{short(target.name)}" for m in of_models)]
    rows = [Row([source.size, *[target.size] * n_models], titles, 1 + n_models)]
    rows += _map_rows(of_models)
    figure, axes = draw_rows(rows, (), _foot(first, width_in), width_in)
    panel_grid.show(axes[0][0], source.pixels)
    draw_numbered(axes[0][0], first.points)
    for place, m in zip(axes[0][1:], of_models, strict=True):
        panel_grid.show(place, target.pixels)
        draw_numbered(place, m.best)
    places = iter([place for row in axes[1:] for place in row])
    for number in range(len(first)):
        if n_models > 1:
            _draw_close(next(places), first, number)
        for m in of_models:
            _draw_one_map(next(places), m, number)
    return figure


def _map_rows(of_models: Sequence[Matches]) -> list[Row]:
    """Of one model, the maps of several points in a row; else a row a point, the source close up."""
    first, n_models = of_models[0], len(of_models)
    width, height = first.target.size
    if n_models > 1:
        close, n_columns = (round(width / 2), round(height / 2)), 1 + n_models
        return [
            Row(
                [close, *[first.target.size] * n_models],
                [f"Point {i + 1}", *(_scores(m, i) for m in of_models)],
                n_columns,
            )
            for i in range(len(first))
        ]
    numbers = range(len(first))
    some = [numbers[i : i + _MAPS_IN_A_ROW] for i in numbers[::_MAPS_IN_A_ROW]]
    return [
        Row(
            [first.target.size] * len(row),
            [f"Point {i + 1}: {_scores(first, i)}" for i in row],
            _MAPS_IN_A_ROW,
        )
        for row in some
    ]


def _draw_one_map(axes: Axes, matches: Matches, number: int) -> None:
    draw_map(axes, matches.target.pixels, matches.maps[number], matches.grid)
    has_second = bool(np.isfinite(matches.second_score[number]))
    second = point(matches.second[number]) if has_second else None
    draw_peaks(axes, point(matches.best[number]), second)


def _draw_close(axes: Axes, matches: Matches, number: int) -> None:
    """The source around a point: half as wide and as high as the image, within it."""
    (x, y), size = matches.points[number].tolist(), matches.source.size
    left, top = axes.get_xlim()[1], axes.get_ylim()[0]
    scale = min(size[0] / 2 / left, size[1] / 2 / top)
    panel_grid.show(axes, matches.source.pixels)
    spans = []
    for at, side, length in ((x, left * scale, size[0]), (y, top * scale, size[1])):
        start = min(max(at - side / 2, 0.0), length - side)
        spans.append((start, start + side))
    axes.set_xlim(*spans[0])
    axes.set_ylim(spans[1][1], spans[1][0])
    draw_numbered(axes, matches.points[number : number + 1], number)


def point(xy: Float64[np.ndarray, "2"]) -> tuple[float, float]:
    x, y = xy.tolist()
    return x, y


def short(name: str) -> str:
    """A file's name without its folder."""
    return Path(name).name or name


def _scores(matches: Matches, number: int) -> str:
    score = f"score {score_text(float(matches.score[number]))}"
    second = float(matches.second_score[number])
    if np.isnan(second):
        return f"{score}\nno second peak"
    margin = score_text(float(matches.margin[number]))
    return f"{score}\nsecond peak {score_text(second)}, margin {margin}"


def _foot(matches: Matches, width_in: float) -> list[str]:
    text = (
        "Ring: best match. Diamond: second peak, the best one farther than "
        f"{matches.apart_px:.0f} px from it. Each map is dark where its similarity is lowest and "
        "bright where it is highest."
    )
    return wrapped(text, width_in)
