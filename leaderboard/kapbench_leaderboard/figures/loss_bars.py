"""One stacked bar a model, to 100: KAP, then what each type of error costs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench_leaderboard.figures.captions import draw_title, title_in, title_lines
from kapbench_leaderboard.figures.loss_styles import (
    draw_interval,
    draw_legend,
    ink_on,
    legend_in,
    patch_of,
    shown_name,
)
from kapbench_leaderboard.figures.loss_values import LossBar
from kapbench_leaderboard.figures.style import (
    FONT_PT,
    GREY,
    LINE_IN,
    blank,
    canvas,
    column_in,
    fitted,
    points,
    size_of,
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
_UNBROKEN = "\N{NO-BREAK SPACE}"
_LEAST_LISTED = 0.05  # which is shown as 0.1


@dataclass(frozen=True, slots=True)
class _Segment:
    """A part of a bar, in points of KAP × 100; None: KAP itself."""

    loss_type: str | None
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where the bars are: `low` … `high` points of KAP over `wide_in` from `left_in` on. In a wide
    figure names are left of the bars, else above them.
    """

    left_in: float
    wide_in: float
    low: float
    high: float
    is_wide: bool

    @classmethod
    def of(cls, bars: Sequence[LossBar], width_in: float) -> "_Plot":
        is_wide = width_in > column_in()
        left_in = _NAMES_IN if is_wide else 0.05
        known = [s for bar in bars if not math.isnan(bar.kap) for s in segments(bar)]
        low = min([0, *(s.left for s in known)])
        high = max([100, *(s.left + s.width for s in known)])
        return cls(left_in, width_in - left_in - _MARGIN_IN, low, high, is_wide)

    @property
    def above_in(self) -> float:
        """Height of a bar's name above it."""
        return 0 if self.is_wide else LINE_IN

    def value(self, segment: _Segment) -> str:
        return f"{segment.width:.{int(self.is_wide or segment.loss_type is None)}f}"

    def fits(self, segment: _Segment, label: str) -> bool:
        n_digits = len(label) - 0.5 * label.count(".")
        wide_pt = segment.width * self.wide_in / (self.high - self.low) * 72
        return wide_pt >= _DIGIT_PT * n_digits + 2.5

    def listed(self, bar: LossBar) -> list[str]:
        """Lines below a bar: the values that do not fit inside."""
        if math.isnan(bar.kap):
            return []
        _, *losses = segments(bar)
        small = [
            f"{shown_name(str(s.loss_type))} {100 * bar.shares[str(s.loss_type)]:.1f}"
            for s in losses
            if s.width >= _LEAST_LISTED and not self.fits(s, self.value(s))
        ]
        text = "; ".join(item.replace(" ", _UNBROKEN).replace("-", "−") for item in small)
        return wrapped(text, self.wide_in) if small else []


def draw_loss_bars(
    bars: Sequence[LossBar], subject: str, width_in: float | None = None, notes: Sequence[str] = ()
) -> Figure:
    """Models by KAP, the best first; controls below, set apart.

    A value that does not fit into its part of a bar is listed below the bar.

    Args:
        bars: Of runs that may be compared, in any order.
        subject: The title: `loss_values.subject`.
        width_in: None: a column of the presentation; `page_in()`: two columns of a paper.
        notes: Whole sentences below the figure, e.g. about columns that the records lack.
    """
    width_in = width_in or column_in()
    bars = sorted(bars, key=lambda bar: (bar.is_control, math.isnan(bar.kap), -bar.kap))
    title = title_lines(width_in, subject)
    if any(share < _LEAST_NEGATIVE for bar in bars for share in bar.shares.values()):
        notes = [*notes, NEGATIVE]
    lines = [line for note in notes for line in wrapped(note, width_in)]
    plot = _Plot.of(bars, width_in)
    tops, tall_in = _rows(bars, plot)
    foot_in = legend_in(width_in) + (len(lines) + 0.5) * LINE_IN * bool(lines) + 0.03
    height_in = title_in(title) + tall_in + _AXIS_IN + foot_in
    figure = blank(width_in, height_in)
    page = canvas(figure)
    draw_title(figure, title)
    draw_legend(page, foot_in, intervals=any(bar.interval is not None for bar in bars))
    page.text(0, 0.02, "\n".join(lines), va="bottom", color=GREY)
    place = plot.left_in, foot_in + _AXIS_IN, plot.wide_in, tall_in
    _draw(_axes(figure, place, plot), bars, tops, plot)
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


def _rows(bars: Sequence[LossBar], plot: _Plot) -> tuple[list[float], float]:
    """Upper edge of each bar from the top of the plot, and the plot's height; in inches."""
    tops, y = [], 0.0
    for i, bar in enumerate(bars):
        if bar.is_control and (i == 0 or not bars[i - 1].is_control):
            y += _APART_IN if i else LINE_IN
        tops.append(y + plot.above_in)
        y += plot.above_in + _BAR_IN + len(plot.listed(bar)) * LINE_IN + _GAP_IN
    return tops, y


def _axes(figure: Figure, place_in: tuple[float, float, float, float], plot: _Plot) -> Axes:
    """Points of KAP to the right, inches downwards."""
    width_in, height_in = size_of(figure)
    left, bottom, wide, tall = place_in
    axes = figure.add_axes(
        (left / width_in, bottom / height_in, wide / width_in, tall / height_in),
        xlim=(plot.low, plot.high),
        ylim=(tall, 0),
        yticks=[],
        xticks=[0, 25, 50, 75, 100],
        xlabel="KAP × 100, then what is lost by type",
    )
    axes.spines["left"].set_visible(False)
    return axes


def _draw(axes: Axes, bars: Sequence[LossBar], tops: Sequence[float], plot: _Plot) -> None:
    for i, (bar, top) in enumerate(zip(bars, tops, strict=True)):
        middle = top + _BAR_IN / 2
        if bar.is_control and (i == 0 or not bars[i - 1].is_control):
            above = top - plot.above_in - 0.02
            axes.text(0, above, APART, va="bottom", fontstyle="italic", color=GREY)
        if math.isnan(bar.kap):
            _name(axes, bar.name, top, plot)
            axes.text(0, middle, UNDEFINED, va="center_baseline", color=GREY)
            continue
        kap, *losses = segments(bar)
        score = plot.value(kap) if i else f"KAP {plot.value(kap)}"
        fits = plot.fits(kap, score)
        _name(axes, bar.name if fits else f"{bar.name}: {score}", top, plot)
        _segment(axes, kap, middle, score if fits else "")
        for segment in losses:
            value = plot.value(segment)
            _segment(axes, segment, middle, value if plot.fits(segment, value) else "")
        if bar.interval is not None:
            draw_interval(axes, (100 * bar.interval[0], 100 * bar.interval[1]), top + _LINE_AT_IN)
        below = "\n".join(plot.listed(bar))
        if below:
            at = top + _BAR_IN + 0.015
            axes.text(0, at, below, va="top", color=GREY, linespacing=1.2)


def _name(axes: Axes, name: str, top: float, plot: _Plot) -> None:
    """Left of the bar where the figure is wide, else above it."""
    if not plot.is_wide:
        axes.text(0, top - 0.015, fitted(name, column_in()), va="bottom")
        return
    axes.annotate(
        fitted(name, _NAMES_IN, 2),
        (axes.get_xlim()[0], top + _BAR_IN / 2),
        (points(-4), 0),
        textcoords="offset points",
        ha="right",
        va="center",
    )


def _segment(axes: Axes, segment: _Segment, middle: float, label: str) -> None:
    """KAP's value is at the left end, where no interval is. "": the value does not fit inside."""
    look = patch_of(segment.loss_type)
    axes.barh(middle, segment.width, _BAR_IN, segment.left, **look)
    ends = [middle - _BAR_IN / 2, middle + _BAR_IN / 2]
    axes.plot([segment.left] * 2, ends, "w-", linewidth=points(0.5))
    if not label:
        return
    is_kap = segment.loss_type is None
    axes.annotate(
        label,
        (segment.left + (0 if is_kap else segment.width / 2), middle),
        (points(4) if is_kap else 0, 0),
        textcoords="offset points",
        ha="left" if is_kap else "center",
        va="center_baseline",
        color=ink_on(segment.loss_type),
        # The hatch would run through the number.
        bbox=None
        if not look["hatch"]
        else {"facecolor": look["facecolor"], "linewidth": 0, "pad": points(0.8)},
    )
