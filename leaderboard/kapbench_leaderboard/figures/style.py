"""The style of every figure: a paper's column width, colours for colour-blind readers, files."""

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

_FileFormat = Literal["png", "svg", "pdf", "jpg"]
Style = dict[str, Any]  # keyword arguments of a matplotlib artist
COLUMN_IN = 3.3  # width of a column of a two-column paper
PAGE_IN = 6.9  # of both columns
FONT_PT, TITLE_PT = 7.0, 7.5
LINE_IN = 0.135  # from one line of text to the next
_LETTER_EM = 0.54  # mean width of a letter
PNG_DPI = 300

# Okabe and Ito's colours; each meaning has a separate shape too.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#6e7781"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (1, 2)))
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "++")

_STYLE: dict[Any, Any] = {  # keys are literals that older matplotlibs do not name
    "font.size": FONT_PT,
    "axes.titlesize": TITLE_PT,
    "axes.labelsize": FONT_PT,
    "xtick.labelsize": FONT_PT,
    "ytick.labelsize": FONT_PT,
    "legend.fontsize": FONT_PT,
    "legend.frameon": False,
    "legend.borderaxespad": 0.0,
    "legend.borderpad": 0.1,
    "legend.labelspacing": 0.3,
    "legend.columnspacing": 1.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.5,
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
def styled() -> Iterator[None]:
    """Draw inside: the style is the block's, and the caller's own is left as it was."""
    with mpl.rc_context(_STYLE):
        yield


def blank(width_in: float, height_in: float) -> Figure:
    """A figure that no window and no list of open figures knows of."""
    return Figure(figsize=(width_in, height_in), facecolor="white")


def canvas(figure: Figure) -> Axes:
    """Axes of the whole figure in inches, for texts and legends; nothing of their own is seen."""
    width_in, height_in = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width_in), ylim=(0, height_in))
    axes.set_axis_off()
    return axes


def wrapped(text: str, width_in: float) -> list[str]:
    """The text in lines that are no wider, by the mean width of a letter."""
    return textwrap.wrap(text, _n_letters(width_in)) or [""]


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
    return max(int(width_in * 72 / (_LETTER_EM * FONT_PT)), 1)


def content(figure: Figure, how: _FileFormat, dpi: int = PNG_DPI) -> bytes:
    """The figure as the bytes of a file, without a date."""
    out = io.BytesIO()
    with styled():
        about = _WITHOUT_DATE.get(how)
        figure.savefig(out, format=how, dpi=dpi, metadata=about)
    return out.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Writes `path`, whose ending says the format: png, svg or pdf; returns it."""
    endings: dict[str, _FileFormat] = {".svg": "svg", ".pdf": "pdf"}
    write_atomically(path, content(figure, endings.get(path.suffix, "png")))
    return path


def mark(marker: str, face: str, edge: str, size_pt: float) -> Style:
    """How a keypoint is marked; its shape alone distinguishes it."""
    colours = {"markerfacecolor": face, "markeredgecolor": edge}
    return {"marker": marker, **colours, "markersize": size_pt}


def outlined(artist: Artist, width_pt: float = 1.5, colour: str = "white") -> None:
    """A rim that keeps it readable over any image."""
    artist.set_path_effects([withStroke(linewidth=width_pt, foreground=colour)])


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
    width_in, height_in = figure.get_size_inches()
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
