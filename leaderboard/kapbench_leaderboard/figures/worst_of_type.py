"""The pairs where one type of error costs most, drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kapbench.errors import counted
from kapbench.protocols import keypoint_names
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.types import Pair
from kapbench_leaderboard.figures import captions, select_rows, style
from kapbench_leaderboard.figures.costly_pairs import CostlyPair, costly_pairs
from kapbench_leaderboard.figures.keypoint_names import listed
from kapbench_leaderboard.figures.loss_values import subject
from kapbench_leaderboard.figures.marks import (
    CORRECT,
    TRUTH,
    TWIN,
    WRONG,
    draw_ring,
    number_beside,
    ring_key,
)
from kapbench_leaderboard.figures.rerun_model import dataset_of, find_pair
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Output, Sources
from kapbench_leaderboard.figures.style import LINE_IN, column_in, page_in
from kapbench_leaderboard.figures.transfer_figure import draw_match, number, show_images

N_KEYPOINTS = 3  # of a pair: more lines can no longer be followed
_APART = 0.08  # of the source's width: closer keypoints would hide each other's marks
_SECOND_PEAK, _OF_COUNTERPART = TYPES[0], (TYPES[1], TYPES[6])
_GAP_IN, _APART_IN, _CAPTION_IN = 0.04, 0.3, 0.47
PEAK_NOTE = (
    "Records do not hold where the second peak lies: `kapbench show keypoint RUN ID K` draws it."
)


@dataclass(frozen=True)
class Panel:
    """One pair of the figure: what its errors cost, its records and its images. `names`: of the
    category's keypoints, where they are known.
    """

    costly: CostlyPair
    rows: pd.DataFrame
    pair: Pair
    source: UInt8[np.ndarray, "hs ws 3"]
    target: UInt8[np.ndarray, "ht wt 3"]
    names: tuple[str, ...] = ()

    @property
    def drawn(self) -> pd.DataFrame:
        """The records of the errors that cost most, the most costly first.

        An error whose keypoint lies too close to one that is drawn in the source is left out.
        """
        xy = self.rows.set_index("keypoint")[["source_x", "source_y"]]
        apart_px = _APART * self.source.shape[1]
        chosen: list[int] = []
        for keypoint in self.costly.keypoints:
            distance = np.hypot(*(xy.loc[chosen] - xy.loc[keypoint]).to_numpy(float).T)
            if len(chosen) < N_KEYPOINTS and (distance >= apart_px).all():
                chosen.append(keypoint)
        rows: pd.DataFrame = self.rows.set_index("keypoint", drop=False).loc[chosen]
        return rows

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [(image.shape[1], image.shape[0]) for image in (self.source, self.target)]


def draw_worst_of_type(
    run: RunView, loss_type: str, sources: Sources, output: Output, n_worst: int
) -> list[Path]:
    """The pairs where `loss_type` costs most, the worst first, in one figure; the file's path.

    Args:
        loss_type: One of `loss_types.TYPES`.

    Raises:
        KapbenchError: no such type; no pair of the run has an error of the type; or the run's data
            set cannot be loaded.
    """
    chosen = costly_pairs(run, loss_type, n_worst)
    dataset = dataset_of(run.card, sources)
    pairs = dataset.pairs(run.card.dataset.categories)
    panels = []
    for costly in chosen:
        pair = find_pair(pairs, costly.pair_id, dataset.name)
        rows = select_rows.of_pair(run.records, costly.pair_id)
        images = dataset.pixels(pair.source), dataset.pixels(pair.target)
        names = keypoint_names(dataset, pair.category)
        panels.append(Panel(costly, rows, pair, *images, names))
    path = output.path("worst", *loss_type.replace(",", "").split())
    with style.styled(output.presentation, titled=output.titled):
        return [style.save(draw_panels(run, loss_type, panels), path)]


def draw_panels(run: RunView, loss_type: str, panels: Sequence[Panel]) -> Figure:
    """Pairs of source and target in the order of `panels`, two beside each other if there are two.

    Of the errors of a pair, `N_KEYPOINTS` at most are drawn: `Panel.drawn`.
    """
    n_columns = 2 if len(panels) > 1 else 1
    width_in = page_in() if n_columns > 1 else column_in()
    heading = f"{run.card.model.name}: where '{loss_type}' costs most"
    title = captions.title_lines(width_in, heading, subject(run))
    handles = _handles(run, loss_type, panels)
    legend_in = captions.legend_in([str(h.get_label()) for h in handles], width_in)
    notes = style.wrapped(PEAK_NOTE, width_in) if loss_type == _SECOND_PEAK else []
    places, tall_in = _places(panels, width_in, n_columns)
    notes_in = len(notes) * LINE_IN + 0.02
    foot_in = notes_in + legend_in + 0.05
    height_in = captions.title_in(title) + tall_in + foot_in
    figure = style.blank(width_in, height_in)
    page = style.canvas(figure)
    captions.draw_title(figure, title)
    page.text(0, 0.02, "\n".join(notes), va="bottom", color=style.GREY)
    for rank, (panel, (left_in, bottom_in, wide_in)) in enumerate(
        zip(panels, places, strict=True), 1
    ):
        top_in = foot_in + bottom_in + style.height_beside(panel.sizes, wide_in, _GAP_IN)
        page.text(left_in, top_in + 0.03, _caption(rank, panel, wide_in), va="bottom")
        axes = style.beside(figure, panel.sizes, foot_in + bottom_in, _GAP_IN, wide_in, left_in)
        _draw(run, loss_type, panel, axes)
    captions.draw_legend(figure, handles, bottom_in=notes_in)
    return figure


def _places(
    panels: Sequence[Panel], width_in: float, n_columns: int
) -> tuple[list[tuple[float, float, float]], float]:
    """Left and lower edge and width of each pair's images, and the height of all; in inches."""
    wide_in = (width_in - _APART_IN * (n_columns - 1)) / n_columns
    heights = [style.height_beside(panel.sizes, wide_in, _GAP_IN) for panel in panels]
    tops, down_in = [], 0.0
    for i in range(0, len(panels), n_columns):
        down_in += _CAPTION_IN
        tops += [down_in] * n_columns
        down_in += max(heights[i : i + n_columns])
    return [
        (i % n_columns * (wide_in + _APART_IN), down_in - tops[i] - height, wide_in)
        for i, height in enumerate(heights)
    ], down_in


def _caption(rank: int, panel: Panel, wide_in: float) -> str:
    n_errors, cost = len(panel.costly.keypoints), f"{100 * panel.costly.cost:.3f}"
    text = f"{counted(n_errors, 'error')}: gain alone {cost.replace('-', '−')} of KAP × 100"
    keypoints = [int(keypoint) for keypoint in panel.drawn["keypoint"]]
    drawn = (
        "drawn: " if len(keypoints) < n_errors else "keypoint " if n_errors == 1 else "keypoints "
    )
    lines = (f"{rank}. {panel.costly.pair_id}", text, drawn + listed(keypoints, panel.names))
    return "\n".join(style.shortened(line, wide_in) for line in lines)


def _draw(run: RunView, loss_type: str, panel: Panel, axes: Sequence[Axes]) -> None:
    source, target = axes
    show_images(axes, (panel.source, panel.target))
    points = panel.pair.target.keypoints.xy
    correct = run.is_correct(panel.drawn)
    for is_correct, (_, row) in zip(correct, panel.drawn.iterrows(), strict=True):
        radius = run.at(run.kap_rule) * float(row["size_px"])
        if row["target_visible"]:
            x, y = points[int(row["keypoint"])].tolist()
            draw_ring(target, (x, y), radius, dashed=False)
            target.plot(x, y, **TRUTH)
            number_beside(target, (x, y), int(row["keypoint"]))
        if loss_type in _OF_COUNTERPART:
            x, y = points[int(row["twin"])].tolist()
            draw_ring(target, (x, y), radius, dashed=True)
            target.plot(x, y, **TWIN)
        draw_match(source, target, row, run.decode, correct=bool(is_correct))
        number(source, row)


def _handles(run: RunView, loss_type: str, panels: Sequence[Panel]) -> list[Line2D]:
    """The marks that the figure has."""
    drawn = pd.concat([panel.drawn for panel in panels])
    correct, visible = run.is_correct(drawn), drawn["target_visible"].to_numpy(bool)
    marks = (
        (
            "wrong match" if visible.any() else "match of an absent keypoint",
            WRONG,
            not correct.all(),
        ),
        ("correct match", CORRECT, correct.any()),
        ("annotated", TRUTH, visible.any()),
        ("mirror counterpart", TWIN, loss_type in _OF_COUNTERPART),
    )
    handles = [
        Line2D([], [], **mark, linestyle="", label=name)
        for name, mark, is_drawn in marks
        if is_drawn
    ]
    if visible.any() or loss_type in _OF_COUNTERPART:
        handles.append(ring_key(run.at(run.kap_rule)))
    return handles
