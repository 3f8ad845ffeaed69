"""How each type of error looks: one family of colours for each kind of keypoint and place."""

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench_leaderboard.figures.style import BLUE, LINE_IN, Style, outlined, points

_ABSENT_PREFIX = "absent, "
# A match of this type is right, so that it is no error.
_SHOWN = {TYPES[0]: "margin to 2nd peak"}
# Not black and white: on a dark page these would change, and the bars do not.
_DARK, _LIGHT = "#111111", "#fefefe"
_COLUMN_IN, _SECOND_IN, _FEWEST = 1.23, 0.93, 2  # of names with their swatches
_FAMILY_IN, _SWATCH_IN = 0.8, (0.16, 0.085)


@dataclass(frozen=True, slots=True)
class _Look:
    """Families differ by hue and hatch, members of a family by lightness: they differ in grey too."""

    face: str
    hatch: str = ""
    hatch_colour: str = "white"


KAP = _Look("#0072B1")  # as `style.BLUE`, and the same on a dark page
_LOOKS: Mapping[str, _Look] = dict(
    zip(
        TYPES,
        (
            _Look("#B9DDF4", "----", BLUE),
            _Look("#8C2D04"),
            _Look("#E6550D"),
            _Look("#FDA45C"),
            _Look("#FDD3A8", "\\\\\\\\", "#A63603"),
            _Look("#FEEBDD"),
            _Look("#7B4F9D", "////"),
            _Look("#DAC9E8", "////"),
        ),
        strict=True,
    )
)
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "right match": TYPES[:1],
    "wrong match": TYPES[1:6],
    "absent": TYPES[6:],
}


def patch_of(loss_type: str | None) -> Style:
    """Keyword arguments of a patch or bar of a type; None: of KAP itself."""
    look = KAP if loss_type is None else _LOOKS[loss_type]
    return {
        "facecolor": look.face,
        "hatch": look.hatch,
        "edgecolor": look.hatch_colour,
        "linewidth": 0,
    }


def shown_name(loss_type: str) -> str:
    """What figures call a type."""
    return _SHOWN.get(loss_type, loss_type)


def ink_on(loss_type: str | None) -> str:
    """Black or white, whichever is readable on the type's colour."""
    red, green, blue = to_rgb(patch_of(loss_type)["facecolor"])
    return _DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else _LIGHT


def legend_in(width_in: float) -> float:
    """Height of the legend."""
    n_columns = _n_columns(width_in)
    return LINE_IN * sum(-(-len(types) // n_columns) for types in _FAMILIES.values())


def draw_legend(canvas: Axes, top_in: float, *, intervals: bool) -> None:
    """The types by family, from the upper edge `top_in` downwards.

    Args:
        canvas: Of the whole figure, in inches: `style.canvas`.
        intervals: Whether a bar has one.
    """
    width_in = canvas.get_xlim()[1]
    n_columns = _n_columns(width_in)
    wide_in = (width_in - _FAMILY_IN) / n_columns
    if n_columns == _FEWEST:  # the second column's names are short
        wide_in = max(wide_in, min(_COLUMN_IN, width_in - _FAMILY_IN - _SECOND_IN))
    if intervals:
        beside_first = _FAMILY_IN + wide_in, top_in - LINE_IN / 2
        draw_interval(canvas, (beside_first[0], beside_first[0] + _SWATCH_IN[0]), beside_first[1])
        _name(canvas, beside_first, "95 % interval")
    for family, types in _FAMILIES.items():
        canvas.text(0, top_in - LINE_IN / 2, family, va="center_baseline", fontweight="bold")
        for i, loss_type in enumerate(types):
            line, column = divmod(i, n_columns)
            x, y = _FAMILY_IN + column * wide_in, top_in - (line + 0.5) * LINE_IN
            corner = x, y - _SWATCH_IN[1] / 2
            canvas.add_patch(Rectangle(corner, *_SWATCH_IN, **patch_of(loss_type)))
            _name(canvas, (x, y), shown_name(loss_type).removeprefix(_ABSENT_PREFIX))
        top_in -= LINE_IN * -(-len(types) // n_columns)


def draw_interval(axes: Axes, ends: tuple[float, float], y: float) -> None:
    """A thin line from one end to the other, readable on any colour."""
    (line,) = axes.plot(ends, [y, y], color="black", linewidth=points(0.9), zorder=4)
    outlined(line, 1.9)


def _name(canvas: Axes, swatch: tuple[float, float], name: str) -> None:
    canvas.text(swatch[0] + _SWATCH_IN[0] + 0.05, swatch[1], name, va="center_baseline")


def _n_columns(width_in: float) -> int:
    return min(max(_FEWEST, int((width_in - _FAMILY_IN) / _COLUMN_IN)), 5)
