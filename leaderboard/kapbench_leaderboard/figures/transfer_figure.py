"""A pair with its keypoints, and where each model transferred them: correct, wrong, or absent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch

from kapbench.scoring.rules import Decode
from kapbench.scoring.schema import X, Y
from kapbench.types import Pair
from kapbench_leaderboard.figures import captions, style
from kapbench_leaderboard.figures.keypoint_names import listed
from kapbench_leaderboard.figures.marks import ABSENT, CORRECT, TRUTH, WRONG, number_beside
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.style import BLUE, LINE_IN, VERMILION, Style, points

_GAP_IN, _APART_IN, _BELOW_IN = 0.04, 0.14, 0.06


@dataclass(frozen=True)
class Transfer:
    """A pair as one model matched it. `name`: the model's. `rows`: the pair's records. `names`: of the
    category's keypoints, where they are known.
    """

    run: RunView
    name: str
    pair: Pair
    rows: pd.DataFrame
    source: UInt8[np.ndarray, "hs ws 3"]
    target: UInt8[np.ndarray, "ht wt 3"]
    names: tuple[str, ...] = ()

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [(image.shape[1], image.shape[0]) for image in (self.source, self.target)]

    @property
    def correct(self) -> Bool[np.ndarray, "n"]:
        """Whether each row's match is correct; False where the keypoint is absent."""
        return self.run.is_correct(self.rows)

    @property
    def counts(self) -> str:
        """How many keypoints are correct: 3 of 5 correct."""
        n_visible = int(self.rows["target_visible"].sum())
        return f"{int(self.correct.sum())} of {n_visible} correct"


def draw_transfer(transfers: Sequence[Transfer]) -> Figure:
    """One pair: source left, target right, a line from each keypoint to its match.

    Several models are below each other in a column of a paper.
    """
    return draw_transfers([transfers], captions_of_rows=[""], wide=False)


def draw_transfers(
    rows: Sequence[Sequence[Transfer]],
    captions_of_rows: Sequence[str],
    *,
    wide: bool = True,
    heading: str | None = None,
) -> Figure:
    """Pairs below each other, each as the same models matched it.

    Args:
        rows: By pair, by model.
        captions_of_rows: Above each pair; "": none.
        wide: Two models stand beside each other, over both columns of a paper; else all stand below
            each other.
        heading: The title's first line; None: the pair's id.
    """
    width_in = style.page_in() if wide else style.column_in()
    title = captions.title_lines(width_in, *_title(rows[0], heading))
    handles = _handles([transfer for row in rows for transfer in row])
    foot_in = captions.legend_in([str(h.get_label()) for h in handles], width_in) + _BELOW_IN
    places, tall_in = _places(rows, captions_of_rows, width_in, wide=wide)
    height_in = captions.title_in(title) + tall_in + foot_in
    figure = style.blank(width_in, height_in)
    captions.draw_title(figure, title)
    captions.draw_legend(figure, handles)
    for place in places:
        _panel(figure, place, foot_in + tall_in)
    return figure


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one model's images are: `top_in` of its words, from the upper edge of all pairs down."""

    transfer: Transfer
    words: tuple[str, ...]
    left_in: float
    top_in: float
    wide_in: float


def _places(
    rows: Sequence[Sequence[Transfer]],
    captions_of_rows: Sequence[str],
    width_in: float,
    *,
    wide: bool,
) -> tuple[list[_Place], float]:
    n_columns = len(rows[0]) if wide else 1
    wide_in = (width_in - _APART_IN * (n_columns - 1)) / n_columns
    places, top_in = [], 0.0
    for caption, row in zip(captions_of_rows, rows, strict=True):
        images_in = style.height_beside(row[0].sizes, wide_in, _GAP_IN)
        for start in range(0, len(row), n_columns):
            first = start == 0 and bool(caption)
            for column, transfer in enumerate(row[start : start + n_columns]):
                words = (*([caption if column == 0 else ""] if first else []), _words(transfer))
                left_in = column * (wide_in + _APART_IN)
                places.append(_Place(transfer, words, left_in, top_in, wide_in))
            top_in += (1 + first) * LINE_IN + 0.03 + images_in + _BELOW_IN
    return places, top_in


def _words(transfer: Transfer) -> str:
    """The model, how many keypoints are correct, and which are not, where they have names."""
    visible = transfer.rows["target_visible"].to_numpy(bool)
    wrong = transfer.rows["keypoint"].to_numpy()[visible & ~transfer.correct].tolist()
    text = f"{transfer.name}: {transfer.counts}"
    return f"{text}; wrong: {listed(wrong, transfer.names)}" if wrong and transfer.names else text


def _panel(figure: Figure, place: _Place, from_in: float) -> None:
    """One model's source and target, its words above them."""
    width_in, height_in = style.size_of(figure)
    top_in = from_in - place.top_in
    words = "\n".join(style.shortened(line, place.wide_in) for line in place.words)
    figure.text(place.left_in / width_in, top_in / height_in, words, va="top", linespacing=1.25)
    transfer = place.transfer
    images_in = style.height_beside(transfer.sizes, place.wide_in, _GAP_IN)
    bottom_in = top_in - len(place.words) * LINE_IN - 0.03 - images_in
    axes = style.beside(figure, transfer.sizes, bottom_in, _GAP_IN, place.wide_in, place.left_in)
    show_images(axes, (transfer.source, transfer.target))
    numbered = transfer.rows["target_visible"].to_numpy(bool)
    points_xy = transfer.pair.target.keypoints.xy
    for visible, correct, (_, row) in zip(
        numbered, transfer.correct, transfer.rows.iterrows(), strict=True
    ):
        if visible:
            draw_match(axes[0], axes[1], row, transfer.run.decode, correct=bool(correct))
            x, y = points_xy[int(row["keypoint"])].tolist()
            number_beside(axes[1], (x, y), int(row["keypoint"]))
        else:
            axes[0].plot(row["source_x"], row["source_y"], **ABSENT)
        number(axes[0], row)


def show_images(axes: Sequence[Axes], images: Sequence[UInt8[np.ndarray, "h w 3"]]) -> None:
    for each, image in zip(axes, images, strict=True):
        each.imshow(image, extent=(0, image.shape[1], image.shape[0], 0), interpolation="bilinear")
        each.set_autoscale_on(False)


def draw_match(
    source: Axes, target: Axes, row: "pd.Series[Any]", decode: Decode, *, correct: bool
) -> None:
    """A line from a keypoint to its match, and from a wrong one to the annotated point, if any."""
    start = float(row["source_x"]), float(row["source_y"])
    end = float(row[X.of(decode)]), float(row[Y.of(decode)])
    line = ConnectionPatch(
        start,
        end,
        "data",
        "data",
        axesA=source,
        axesB=target,
        color=BLUE if correct else VERMILION,
        linestyle="-" if correct else (0, (3, 2)),
        linewidth=points(0.8),
        alpha=0.85,
    )
    source.figure.add_artist(line)
    source.plot(*start, **(CORRECT if correct else WRONG), zorder=3)
    if not correct and row["target_visible"]:
        truth = float(row["target_x"]), float(row["target_y"])
        ends = zip(end, truth, strict=True)
        (miss,) = target.plot(*ends, color="white", linewidth=points(0.8))
        style.outlined(miss, 1.8, "black")
        target.plot(*truth, **TRUTH)
    target.plot(*end, **(CORRECT if correct else WRONG), zorder=5)


def number(axes: Axes, row: "pd.Series[Any]") -> None:
    """A source keypoint's number."""
    number_beside(axes, (float(row["source_x"]), float(row["source_y"])), int(row["keypoint"]))


def _title(transfers: Sequence[Transfer], heading: str | None) -> Iterator[str]:
    run, pair = transfers[0].run, transfers[0].pair
    yield heading or f"Pair {pair.pair_id}"
    category = pair.category if heading is None else run.category
    yield captions.data_words(run.card.dataset, category)
    yield f"Correct by {run.pck_rule.name} at α = {run.at(run.pck_rule):g}"


def _handles(transfers: Sequence[Transfer]) -> list[Line2D]:
    """The marks that the figure has."""
    rows = pd.concat([transfer.rows for transfer in transfers])
    visible = rows["target_visible"].to_numpy(bool)
    correct = np.concatenate([transfer.correct for transfer in transfers])
    line: Style = {"linewidth": points(0.8)}
    handles = []
    if (visible & correct).any():
        handles.append(Line2D([], [], color=BLUE, **CORRECT, **line, label="correct"))
    if (visible & ~correct).any():
        dashed: Style = {"color": VERMILION, "linestyle": (0, (3, 2))}
        handles.append(Line2D([], [], **dashed, **WRONG, **line, label="wrong"))
        handles.append(Line2D([], [], linestyle="", **TRUTH, label="annotated"))
    if not visible.all():
        handles.append(Line2D([], [], linestyle="", **ABSENT, label="absent"))
    return handles
