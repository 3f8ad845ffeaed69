"""The summary of a match over several targets: the source, and the best matches in each target."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.matching.matches import Matches
from kapbench_leaderboard.figures.match_figure import short
from kapbench_leaderboard.figures.match_marks import draw_numbered
from kapbench_leaderboard.figures.panel_grid import Row, draw_rows, show
from kapbench_leaderboard.figures.position_colours import position_colours
from kapbench_leaderboard.figures.regular_figure import draw_coloured, marks_note
from kapbench_leaderboard.figures.style import PAGE_IN, styled, wrapped

_N_COLUMNS = 4
MAX_PANELS = 48


def draw_summary(
    targets: Sequence[Sequence[Matches]], n_targets: int, width_in: float = PAGE_IN
) -> Figure:
    """The source first, then each target by each model, in the order of the targets.

    At most MAX_PANELS of them; the head says how many of `n_targets` are shown.
    """
    first, n_models = targets[0][0], len(targets[0])
    kept = targets[: max(MAX_PANELS // n_models, 1)]
    panels = [m for of_models in kept for m in of_models]
    titles = [short(m.target.name) + (f"\n{m.model}" if n_models > 1 else "") for m in panels]
    sizes = [m.target.size for m in panels]
    n_columns = max(_N_COLUMNS // n_models, 1) * n_models  # a target's models are in one row
    if n_models == 1:
        sizes, titles = [first.source.size, *sizes], [short(first.source.name), *titles]
    rows = [
        Row(sizes[i : i + n_columns], titles[i : i + n_columns], n_columns)
        for i in range(0, len(sizes), n_columns)
    ]
    if n_models > 1:
        rows.insert(0, Row([first.source.size], [short(first.source.name)], n_columns))
    models = " and ".join(m.model for m in targets[0])
    head = f"{models}: best matches in {n_targets} images"
    if len(kept) < n_targets:
        head += f", of which the first {len(kept)} are shown"
    with styled():
        figure, axes = draw_rows(rows, wrapped(head, width_in), _foot(panels, width_in), width_in)
        places = [place for row in axes for place in row]
        show(places[0], first.source.pixels)
        _draw_points(places[0], first, in_source=True)
        for place, m in zip(places[1:], panels, strict=True):
            show(place, m.target.pixels)
            _draw_points(place, m)
    return figure


def _draw_points(axes: Axes, matches: Matches, *, in_source: bool = False) -> None:
    points = matches.points if in_source else matches.best
    if matches.regular:
        colours = position_colours(matches.points)
        draw_coloured(axes, points, colours, None if in_source else matches)
    else:
        draw_numbered(axes, points)


def _foot(drawn: Sequence[Matches], width_in: float) -> list[str]:
    if not drawn[0].regular:
        return wrapped("Equal numbers: a point of the source and its best matches.", width_in)
    text = f"A match has the colour of its point in the source.{marks_note(drawn)}"
    return wrapped(text, width_in)
