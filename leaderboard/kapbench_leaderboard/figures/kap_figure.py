"""The KAP figure of one keypoint: similarity over the target, the circle, and the two maxima."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle as Ring

from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import MAP_MAX, MAP_MIN
from kapbench.types import Grid, Pair
from kapbench_leaderboard.figures.kap_circle import Circle, Peak
from kapbench_leaderboard.figures.style import (
    BLUE,
    COLUMN_IN,
    FONT_PT,
    ORANGE,
    VERMILION,
    Style,
    beside,
    blank,
    height_beside,
    mark,
    outlined,
)

_GAP_IN, _HEAD_IN, _FOOT_IN, _BAR_IN = 0.04, 0.3, 0.36, 0.42
_HEAT_ALPHA = 0.62
_QUERY = mark("*", "white", "black", 9)
_INSIDE = mark("o", BLUE, "white", 6)
_OUTSIDE = mark("X", VERMILION, "white", 7)
TWIN = mark("D", ORANGE, "black", 5)


@dataclass(frozen=True)
class KapExample:
    """All that one KAP figure shows. `values` are similarities as the model gives them."""

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


def draw_kap(example: KapExample, width_in: float = COLUMN_IN) -> Figure:
    """Left: the source with the keypoint. Right: the target with similarity, circle and maxima."""
    sizes = [(image.shape[1], image.shape[0]) for image in (example.source, example.target)]
    inner_in = width_in - _BAR_IN
    tall_in = height_beside(sizes, inner_in, _GAP_IN)
    figure = blank(width_in, tall_in + _HEAD_IN + _FOOT_IN)
    height_in = tall_in + _HEAD_IN + _FOOT_IN
    left, right = beside(figure, sizes, _FOOT_IN, _GAP_IN, inner_in)
    for axes, image in ((left, example.source), (right, _grey(example.target))):
        axes.imshow(image, extent=(0, image.shape[1], image.shape[0], 0), interpolation="bilinear")
        axes.set_autoscale_on(False)
    left.plot(float(example.row["source_x"]), float(example.row["source_y"]), **_QUERY)
    _heat(figure, right, example, (_FOOT_IN / height_in, tall_in / height_in), inner_in / width_in)
    _marks(right, example)
    head = (
        f"{example.model}, keypoint {example.keypoint}: {describe(example)}\n{example.pair.pair_id}"
    )
    place = (tall_in + _FOOT_IN + 0.03) / height_in
    figure.text(0, place, head, fontsize=FONT_PT, va="bottom")
    _legend(figure, example)
    return figure


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
    bar.ax.tick_params(length=2, pad=1.5, labelsize=FONT_PT)
    bar.outline.set_visible(False)


def draw_ring(axes: Axes, centre: tuple[float, float], radius: float, *, dashed: bool) -> None:
    """The circle of radius α·T: around a keypoint, or dashed around its mirror counterpart."""
    ring = Ring(centre, radius, fill=False, edgecolor="white", linewidth=1.2)
    ring.set_linestyle("--" if dashed else "-")
    outlined(ring, 2.2, "black")
    axes.add_patch(ring)


def ring_key(alpha: float) -> Line2D:
    """The circle in a legend."""
    ring = mark("o", "none", "black", 7)
    return Line2D([], [], **ring, linestyle="", label=f"radius α·T, α = {alpha:g}")


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


def _legend(figure: Figure, example: KapExample) -> None:
    def label_of(name: str, peak: Peak) -> str:
        return f"{name} {example.score(peak.score):.3f}"

    circle, none = example.circle, Style(linestyle="")
    handles = [Line2D([], [], **_QUERY, **none, label="keypoint in the source")]
    if circle.inside is not None:
        handles.append(
            Line2D([], [], **_INSIDE, **none, label=label_of("best inside", circle.inside))
        )
    if circle.outside is not None:
        name = "best outside" if circle.centre else "false match"
        handles.append(Line2D([], [], **_OUTSIDE, **none, label=label_of(name, circle.outside)))
    if example.twin_xy is not None:
        label = f"its mirror counterpart ({int(example.row['twin'])})"
        handles.append(Line2D([], [], **TWIN, **none, label=label))
    if circle.centre is not None or example.twin_xy is not None:
        handles.append(ring_key(example.alpha))
    figure.legend(handles=handles, loc="lower left", ncols=2, handlelength=1.2)
