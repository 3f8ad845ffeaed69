"""The KAP figure of one keypoint: similarity over the target, the circle, and the two maxima."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kapbench.running.results import DatasetCard
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import MAP_MAX, MAP_MIN
from kapbench.types import Grid, Pair
from kapbench_leaderboard.figures import captions
from kapbench_leaderboard.figures.kap_circle import Circle, Peak
from kapbench_leaderboard.figures.keypoint_names import numbered
from kapbench_leaderboard.figures.marks import QUERY, TWIN, draw_ring, ring_key
from kapbench_leaderboard.figures.style import (
    BLUE,
    VERMILION,
    Style,
    beside,
    blank,
    column_in,
    height_beside,
    mark,
    points,
)

_GAP_IN, _BAR_IN = 0.04, 0.42
_HEAT_ALPHA = 0.62
_INSIDE = mark("o", "none", BLUE, 5, 1.6)
_OUTSIDE = mark("x", "none", VERMILION, 5, 1.6)


@dataclass(frozen=True)
class KapExample:
    """All that one KAP figure shows. `values` are similarities as the model gives them. `names`: of
    the category's keypoints, where they are known.
    """

    model: str
    pair: Pair
    row: "pd.Series[Any]"
    rule: KapRule
    alpha: float
    values: Float32[np.ndarray, "h w"]
    grid: Grid
    circle: Circle
    source: UInt8[np.ndarray, "hs ws 3"]
    target: UInt8[np.ndarray, "ht wt 3"]
    data: DatasetCard
    names: tuple[str, ...] = ()

    def called(self, keypoint: int) -> str:
        """A keypoint's number, with its name where the data set knows it."""
        return numbered(keypoint, self.names)

    @property
    def keypoint(self) -> int:
        return int(self.row["keypoint"])

    @property
    def visible(self) -> bool:
        return bool(self.row["target_visible"])

    @property
    def twin_xy(self) -> tuple[float, float] | None:
        """The mirror counterpart of an absent keypoint in the target; None: it is not visible."""
        if self.visible or not self.row["twin_visible"]:
            return None
        x, y = self.pair.target.keypoints.xy[int(self.row["twin"])].tolist()
        return x, y

    @property
    def on_twin(self) -> bool:
        """Whether an absent keypoint's false match lies within α·T of its mirror counterpart."""
        false_match = self.circle.outside
        if self.twin_xy is None or false_match is None:
            return False
        return bool(np.hypot(*np.subtract(false_match.xy, self.twin_xy)) < self.circle.radius_px)

    @property
    def limits(self) -> tuple[float, float]:
        """Similarities that are 0 and 1 on the colour scale."""
        if self.rule.rescale == "pair-min-max":
            low, high = (column.of(self.rule.geometry) for column in (MAP_MIN, MAP_MAX))
            return float(self.row[low]), float(self.row[high])
        return float(self.values.min()), float(self.values.max())

    def score(self, similarity: float) -> float:
        """As the rule takes it: rescaled over the pair's maps, or the similarity itself."""
        if self.rule.rescale == "none":
            return similarity
        low, high = self.limits
        return (similarity - low) / (high - low) if high > low else 0.0


def draw_kap(example: KapExample) -> Figure:
    """Left: the source with the keypoint. Right: the target with similarity, circle and maxima."""
    width_in, inner_in = column_in(), column_in() - _BAR_IN
    sizes = [(image.shape[1], image.shape[0]) for image in (example.source, example.target)]
    tall_in = height_beside(sizes, inner_in, _GAP_IN)
    title = captions.title_lines(width_in, *_title(example))
    handles = _handles(example)
    foot_in = captions.legend_in([str(h.get_label()) for h in handles], width_in) + 0.04
    height_in = captions.title_in(title) + tall_in + foot_in
    figure = blank(width_in, height_in)
    captions.draw_title(figure, title)
    captions.draw_legend(figure, handles)
    left, right = beside(figure, sizes, foot_in, _GAP_IN, inner_in)
    for axes, image in ((left, example.source), (right, _grey(example.target))):
        axes.imshow(image, extent=(0, image.shape[1], image.shape[0], 0), interpolation="bilinear")
        axes.set_autoscale_on(False)
    left.plot(float(example.row["source_x"]), float(example.row["source_y"]), **QUERY)
    _heat(figure, right, example, (foot_in / height_in, tall_in / height_in), inner_in / width_in)
    _marks(right, example)
    return figure


def _title(example: KapExample) -> tuple[str, ...]:
    data = captions.data_words(example.data, example.pair.category)
    return (
        f"{example.model}, keypoint {example.called(example.keypoint)}: {describe(example)}",
        f"{data}: pair {example.pair.pair_id}",
        captions.rule_words(example.rule, example.alpha),
    )


def describe(example: KapExample) -> str:
    """What the maxima mean for KAP."""
    inside, outside = example.circle.inside, example.circle.outside
    if not example.visible:
        where = "matched to its mirror counterpart" if example.on_twin else "any match is false"
        return f"absent, {where}"
    if inside is None or outside is None:
        return "one side of the circle has no cell"
    correct = inside.score > outside.score
    return "the best match is correct" if correct else "the best match is wrong"


def _grey(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    luminance = (image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.asarray(np.repeat(luminance[..., None], 3, axis=2))


def _heat(
    figure: Figure, axes: Axes, example: KapExample, span: tuple[float, float], left: float
) -> None:
    """The map over the whole target; `span`: bottom and height of the colour bar in the figure."""
    x0, y0, x1, y1 = example.grid.box
    low, high = example.limits
    heat = axes.imshow(
        example.values,
        extent=(x0, x1, y1, y0),
        cmap="viridis",
        alpha=_HEAT_ALPHA,
        vmin=low,
        vmax=high if high > low else low + 1,
        interpolation="nearest",
    )
    bar = figure.colorbar(heat, cax=figure.add_axes((left + 0.02, span[0], 0.022, span[1])))
    ticks = np.array([0.0, 0.5, 1.0]) * (high - low) + low
    bar.set_ticks(ticks.tolist(), labels=[f"{example.score(float(t)):.2g}" for t in ticks])
    bar.ax.tick_params(length=points(2), pad=points(1.5))
    bar.outline.set_visible(False)


def _marks(axes: Axes, example: KapExample) -> None:
    radius = example.circle.radius_px
    for centre, dashed in ((example.circle.centre, False), (example.twin_xy, True)):
        if centre is not None:
            draw_ring(axes, centre, radius, dashed=dashed)
    if example.twin_xy is not None:
        axes.plot(*example.twin_xy, **TWIN)
    for peak, style in ((example.circle.inside, _INSIDE), (example.circle.outside, _OUTSIDE)):
        if peak is not None:
            axes.plot(*peak.xy, **style, zorder=6)


def _handles(example: KapExample) -> list[Line2D]:
    def label_of(name: str, peak: Peak) -> str:
        return f"{name} {example.score(peak.score):.3f}"

    circle, none = example.circle, Style(linestyle="")
    handles = [Line2D([], [], **QUERY, **none, label="keypoint in the source")]
    if circle.inside is not None:
        label = label_of("best inside", circle.inside)
        handles.append(Line2D([], [], **_INSIDE, **none, label=label))
    if circle.outside is not None:
        name = "best outside" if circle.centre else "false match"
        label = label_of(name, circle.outside)
        handles.append(Line2D([], [], **_OUTSIDE, **none, label=label))
    if example.twin_xy is not None:
        label = f"mirror counterpart ({example.called(int(example.row['twin']))})"
        handles.append(Line2D([], [], **TWIN, **none, label=label))
    if circle.centre is not None or example.twin_xy is not None:
        handles.append(ring_key(example.alpha))
    return handles
