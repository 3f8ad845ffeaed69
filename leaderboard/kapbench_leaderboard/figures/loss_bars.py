"""One stacked bar a model, to 100: KAP, then what each type of error costs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench_leaderboard.figures.loss_styles import (
    draw_interval,
    draw_legend,
    ink_on,
    legend_in,
    patch_of,
)
from kapbench_leaderboard.figures.loss_values import LossBar
from kapbench_leaderboard.figures.style import (
    COLUMN_IN,
    FONT_PT,
    GREY,
    LINE_IN,
    TITLE_PT,
    blank,
    canvas,
    fitted,
    wrapped,
)

_BAR_IN, _GAP_IN, _APART_IN, _AXIS_IN, _MARGIN_IN = 0.17, 0.08, 0.2, 0.4, 0.13
_NAMES_IN = 1.45  # left of the bars, where the figure is wide
_LINE_AT_IN = 0.148  # of the interval, below the bar's upper edge and its numbers
_DIGIT_PT = 0.64 * FONT_PT
APART = "controls and reference models"
UNDEFINED = "n/a: KAP is not defined"
NEGATIVE = "Left of 0: fixing errors of this type lowers KAP on average."
_LEAST_NEGATIVE = -5e-4  # that is seen


@dataclass(frozen=True, slots=True)
class _Segment:
    """A part of a bar, in points of KAP × 100; None: KAP itself."""

    loss_type: str | None
    left: float
    width: float


def draw_loss_bars(
    bars: Sequence[LossBar], subject: str, width_in: float = COLUMN_IN, notes: Sequence[str] = ()
) -> Figure:
    """Models by KAP, the best first; controls below, set apart.

    Args:
        bars: Of runs that may be compared, in any order.
        subject: The title: `loss_values.subject`.
        width_in: `COLUMN_IN`, or `PAGE_IN` for two columns of a paper.
        notes: Whole sentences below the figure, e.g. about columns that the records lack.
    """
    is_wide = width_in > COLUMN_IN
    bars = sorted(bars, key=lambda bar: (bar.is_control, math.isnan(bar.kap), -bar.kap))
    title = wrapped(subject, width_in)
    if any(share < _LEAST_NEGATIVE for bar in bars for share in bar.shares.values()):
        notes = [*notes, NEGATIVE]
    lines = [line for note in notes for line in wrapped(note, width_in)]
    tops, tall_in = _rows(bars, 0 if is_wide else LINE_IN)
    foot_in = legend_in(width_in) + (len(lines) + 0.5) * LINE_IN * bool(lines) + 0.03
    height_in = LINE_IN * len(title) + 0.1 + tall_in + _AXIS_IN + foot_in
    figure = blank(width_in, height_in)
    page = canvas(figure)
    page.text(0, height_in - 0.02, "\n".join(title), va="top", fontsize=TITLE_PT)
    draw_legend(page, foot_in, intervals=any(bar.interval is not None for bar in bars))
    page.text(0, 0.02, "\n".join(lines), va="bottom", color=GREY)
    left_in = _NAMES_IN if is_wide else 0.05
    place = left_in, foot_in + _AXIS_IN, width_in - left_in - _MARGIN_IN, tall_in
    _draw(_axes(figure, place, bars), bars, tops, is_wide=is_wide)
    return figure


def segments(bar: LossBar) -> Iterator[_Segment]:
    """KAP and the shares end to end; those below 0 lie left of 0, the last of them leftmost."""
    right, left = 0.0, 0.0
    for loss_type in (None, *TYPES):
        width = 100 * float(bar.kap if loss_type is None else bar.shares[loss_type])
        if width < 0:
            left += width
        yield _Segment(loss_type, left if width < 0 else right, abs(width))
        right += max(width, 0)


def _rows(bars: Sequence[LossBar], name_in: float) -> tuple[list[float], float]:
    """Upper edge of each bar from the top of the plot, and the plot's height; in inches."""
    tops, y = [], 0.0
    for i, bar in enumerate(bars):
        if bar.is_control and (i == 0 or not bars[i - 1].is_control):
            y += _APART_IN if i else LINE_IN
        tops.append(y + name_in)
        y += name_in + _BAR_IN + _GAP_IN
    return tops, y


def _axes(
    figure: Figure, place_in: tuple[float, float, float, float], bars: Sequence[LossBar]
) -> Axes:
    """Points of KAP to the right, inches downwards."""
    width_in, height_in = figure.get_size_inches()
    left, bottom, wide, tall = place_in
    axes = figure.add_axes(
        (left / width_in, bottom / height_in, wide / width_in, tall / height_in),
        ylim=(tall, 0),
        yticks=[],
        xticks=[0, 25, 50, 75, 100],
        xlabel="KAP × 100, then what is lost by type",
    )
    ends = [(s.left, s.left + s.width) for b in bars if not math.isnan(b.kap) for s in segments(b)]
    axes.set_xlim(min([0, *(left for left, _ in ends)]), max([100, *(right for _, right in ends)]))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", length=2, pad=2)
    return axes


def _draw(axes: Axes, bars: Sequence[LossBar], tops: Sequence[float], *, is_wide: bool) -> None:
    for i, (bar, top) in enumerate(zip(bars, tops, strict=True)):
        middle = top + _BAR_IN / 2
        if bar.is_control and (i == 0 or not bars[i - 1].is_control):
            above = top - (0 if is_wide else LINE_IN) - 0.02
            axes.text(0, above, APART, va="bottom", fontstyle="italic", color=GREY)
        if math.isnan(bar.kap):
            _name(axes, bar.name, top, is_wide=is_wide)
            axes.text(0, middle, UNDEFINED, va="center_baseline", color=GREY)
            continue
        kap, *losses = segments(bar)
        score = f"{kap.width:.1f}" if i else f"KAP {kap.width:.1f}"
        fits = _fits(axes, kap, score)
        _name(axes, bar.name if fits else f"{bar.name}: {score}", top, is_wide=is_wide)
        _segment(axes, kap, middle, score)
        for segment in losses:
            _segment(axes, segment, middle, f"{segment.width:.{int(is_wide)}f}")
        if bar.interval is not None:
            draw_interval(axes, (100 * bar.interval[0], 100 * bar.interval[1]), top + _LINE_AT_IN)


def _name(axes: Axes, name: str, top: float, *, is_wide: bool) -> None:
    """Left of the bar where the figure is wide, else above it."""
    if not is_wide:
        axes.text(0, top - 0.015, fitted(name, COLUMN_IN), va="bottom")
        return
    axes.annotate(
        fitted(name, _NAMES_IN, 2),
        (axes.get_xlim()[0], top + _BAR_IN / 2),
        (-4, 0),
        textcoords="offset points",
        ha="right",
        va="center",
    )


def _segment(axes: Axes, segment: _Segment, middle: float, label: str) -> None:
    """Its value inside where it fits: KAP's at the left end, where no interval is."""
    look = patch_of(segment.loss_type)
    axes.barh(middle, segment.width, _BAR_IN, segment.left, **look)
    axes.plot([segment.left] * 2, [middle - _BAR_IN / 2, middle + _BAR_IN / 2], "w-", linewidth=0.5)
    if not _fits(axes, segment, label):
        return
    is_kap = segment.loss_type is None
    x = segment.left + (4 / _points_pt(axes) if is_kap else segment.width / 2)
    axes.text(
        x,
        middle,
        label,
        ha="left" if is_kap else "center",
        va="center_baseline",
        color=ink_on(segment.loss_type),
        # The hatch would run through the number.
        bbox=None
        if not look["hatch"]
        else {"facecolor": look["facecolor"], "linewidth": 0, "pad": 0.8},
    )


def _fits(axes: Axes, segment: _Segment, label: str) -> bool:
    n_digits = len(label) - 0.5 * label.count(".")
    return segment.width * _points_pt(axes) >= _DIGIT_PT * n_digits + 2.5


def _points_pt(axes: Axes) -> float:
    """Length of a point of KAP × 100 on paper."""
    low, high = axes.get_xlim()
    return float(72 * axes.bbox.width / axes.figure.dpi / (high - low))
