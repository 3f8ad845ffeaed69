"""The style of every figure: sizes of a paper, colours for colour-blind readers, titles, files."""

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from kapbench.storage import write_atomically
from kapbench_leaderboard.figures.presentation import (
    COLUMN_IN,
    PAGE_IN,
    PresentationName,
    column_in,
    current,
    page_in,
    points,
    presented,
)

__all__ = ["COLUMN_IN", "PAGE_IN", "column_in", "page_in", "points"]

_FileFormat = Literal["png", "svg", "pdf", "jpg"]
Style = dict[str, Any]  # keyword arguments of a matplotlib artist
FONT_PT, TITLE_PT = 7.0, 7.5
LINE_IN = 0.135  # from one line of text to the next
LETTER_EM = 0.54  # mean width of a letter
PNG_DPI = 300  # of a paper

# Okabe and Ito's colours; each meaning has a separate shape too.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#6e7781"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (1, 2)))
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "++")

_GRID = "#d8dee4"


def _settings() -> dict[Any, Any]:  # keys are literals that older matplotlibs do not name
    """matplotlib's settings for the current presentation."""
    in_points = {
        "font.size": FONT_PT,
        "axes.titlesize": TITLE_PT,
        "axes.titlepad": 5.0,
        "axes.labelsize": FONT_PT,
        "axes.labelpad": 3.0,
        "axes.linewidth": 0.6,
        "xtick.labelsize": FONT_PT,
        "ytick.labelsize": FONT_PT,
        "legend.fontsize": FONT_PT,
        "lines.linewidth": 1.2,
        "lines.markersize": 5.0,
        "lines.markeredgewidth": 1.0,
        "patch.linewidth": 0.6,
        "grid.linewidth": 0.5,
        "hatch.linewidth": 0.5,
        **{f"{axis}tick.major.size": 2.5 for axis in "xy"},
        **{f"{axis}tick.major.pad": 2.0 for axis in "xy"},
        **{f"{axis}tick.major.width": 0.6 for axis in "xy"},
    }
    return {
        **{name: points(size) for name, size in in_points.items()},
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": _GRID,
        "legend.frameon": False,
        "legend.borderaxespad": 0.0,
        "legend.borderpad": 0.1,
        "legend.labelspacing": 0.3,
        "legend.columnspacing": 1.5,
        "svg.hashsalt": "kapbench",  # equal figures are equal files
        "svg.fonttype": "path",
        "pdf.fonttype": 42,  # fonts as TrueType, which conferences ask for
        "text.parse_math": False,  # a model's name is not a formula
    }


_WITHOUT_DATE: dict[_FileFormat, dict[str, None]] = {
    "svg": {"Date": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def styled(presentation: PresentationName = "paper", *, titled: bool = True) -> Iterator[None]:
    """Draw inside: the style is the block's, and the caller's own is left as it was."""
    with presented(presentation, titled=titled), mpl.rc_context(_settings()):
        yield


def blank(width_in: float, height_in: float) -> Figure:
    """A figure that no window and no list of open figures knows of.

    Args:
        width_in, height_in: As in a paper; the presentation scales them.
    """
    chosen = current()
    size_in = width_in * chosen.scale, height_in * chosen.scale
    return Figure(figsize=size_in, dpi=chosen.png_dpi, facecolor="white")


def size_of(figure: Figure) -> tuple[float, float]:
    """Width and height in inches, before they are scaled."""
    width_in, height_in = (float(side_in) / current().scale for side_in in figure.get_size_inches())
    return width_in, height_in


def canvas(figure: Figure) -> Axes:
    """Axes of the whole figure in inches that are not scaled, for texts and legends; nothing of their
    own is seen.
    """
    width_in, height_in = size_of(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width_in), ylim=(0, height_in))
    axes.set_axis_off()
    return axes


def wrapped(text: str, width_in: float) -> list[str]:
    """The text in lines that are no wider, by the mean width of a letter."""
    return textwrap.wrap(text, _n_letters(width_in)) or [""]


def shortened(text: str, width_in: float) -> str:
    """On one line; what does not fit is cut off, and an ellipsis shows it."""
    n = _n_letters(width_in)
    return text if len(text) <= n else f"{text[: n - 1]}…"


def fitted(name: str, width_in: float, n_lines: int = 1) -> str:
    """A name in `n_lines` at most, broken at its dots where it can be.

    What does not fit is cut off, and an ellipsis shows it.
    """
    breakable = name.replace(".", ".\t")
    lines = textwrap.wrap(
        breakable, _n_letters(width_in), expand_tabs=False, replace_whitespace=False
    )
    if len(lines) > n_lines:
        lines = [*lines[: n_lines - 1], lines[n_lines - 1][:-1] + "…"]
    return "\n".join(lines).replace(".\t", ".")


def _n_letters(width_in: float) -> int:
    return max(int(width_in * 72 / (LETTER_EM * FONT_PT)), 1)


def content(figure: Figure, how: _FileFormat, dpi: int | None = None) -> bytes:
    """The figure as the bytes of a file, without a date.

    Args:
        dpi: Of an image of pixels; None: the presentation's.
    """
    out = io.BytesIO()
    with mpl.rc_context(_settings()):
        about = _WITHOUT_DATE.get(how)
        figure.savefig(out, format=how, dpi=dpi or "figure", metadata=about)
    return out.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Writes `path`, whose ending says the format: png, svg or pdf; returns it."""
    endings: dict[str, _FileFormat] = {".svg": "svg", ".pdf": "pdf"}
    write_atomically(path, content(figure, endings.get(path.suffix, "png")))
    return path


class Mark:
    """How a point is marked, as keyword arguments of `plot`; its shape alone distinguishes it.

    It is unpacked: `axes.plot(x, y, **mark)`. Sizes are those of the presentation then. A mark
    without a face is hollow: it hides nothing below it. A rim keeps it readable over any image.
    """

    def __init__(self, marker: str, face: str, edge: str, size_pt: float, edge_pt: float) -> None:
        self._fixed = {"marker": marker, "markerfacecolor": face, "markeredgecolor": edge}
        self._sizes = {"markersize": size_pt, "markeredgewidth": edge_pt}
        self._is_hollow = face == "none"

    def __getitem__(self, name: str) -> Any:
        if name in self._fixed:
            return self._fixed[name]
        if name == "path_effects" and self._is_hollow:
            width_pt = points(self._sizes["markeredgewidth"] + 1.1)
            return [withStroke(linewidth=width_pt, foreground="white")]
        return points(self._sizes[name])

    def keys(self) -> list[str]:
        return [*self._fixed, *self._sizes, *(["path_effects"] if self._is_hollow else [])]


def mark(marker: str, face: str, edge: str, size_pt: float, edge_pt: float = 1.0) -> Mark:
    """A point's mark; `face` is "none" where it is hollow or a cross."""
    return Mark(marker, face, edge, size_pt, edge_pt)


def outlined(artist: Artist, width_pt: float = 1.5, colour: str = "white") -> None:
    """A rim that keeps it readable over any image."""
    artist.set_path_effects([withStroke(linewidth=points(width_pt), foreground=colour)])


def bare(axes: Axes, size: tuple[int, int]) -> None:
    """Axes of exactly an image (w, h), in its pixels, without ticks."""
    axes.set_xlim(0, size[0])
    axes.set_ylim(size[1], 0)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def beside(
    figure: Figure,
    sizes: Sequence[tuple[int, int]],
    bottom_in: float,
    gap_in: float,
    inner_in: float | None = None,
    left_in: float = 0.0,
) -> list[Axes]:
    """Axes of equal height for images of these sizes (w, h), over `inner_in` from `left_in` on."""
    width_in, height_in = size_of(figure)
    ratios = [w / h for w, h in sizes]
    tall_in = height_beside(sizes, width_in if inner_in is None else inner_in, gap_in)
    made = []
    for size, ratio in zip(sizes, ratios, strict=True):
        wide_in = tall_in * ratio
        place = (left_in / width_in, bottom_in / height_in, wide_in / width_in, tall_in / height_in)
        axes = figure.add_axes(place)
        bare(axes, size)
        made.append(axes)
        left_in += wide_in + gap_in
    return made


def height_beside(sizes: Sequence[tuple[int, int]], width_in: float, gap_in: float) -> float:
    """Height of the images that `beside` lays out, in inches."""
    return (width_in - gap_in * (len(sizes) - 1)) / sum(w / h for w, h in sizes)
