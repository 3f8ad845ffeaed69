"""Images in rows of equal columns, each with a title above: where each lies in a figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import asarray, ndarray
from PIL import Image

from kapbench_leaderboard.figures.style import FONT_PT, LINE_IN, PNG_DPI, bare, blank, wrapped

_GAP_IN = 0.08
_MARGIN_IN = 0.07  # left and right: a mark at the border of an image stays whole
_TALLEST_IN = 3.1  # of a row: a portrait stays on its page


@dataclass(frozen=True, slots=True)
class Row:
    """Images (width, height) with their titles; `n_columns` of equal width, some maybe empty."""

    sizes: Sequence[tuple[int, int]]
    titles: Sequence[str]
    n_columns: int

    def column_in(self, width_in: float) -> float:
        inner_in = width_in - 2 * _MARGIN_IN - _GAP_IN * (self.n_columns - 1)
        return inner_in / self.n_columns

    def tall_in(self, width_in: float) -> float:
        """Of the tallest image."""
        column_in = self.column_in(width_in)
        return max(min(column_in * h / w, _TALLEST_IN) for w, h in self.sizes)

    def title_lines(self, width_in: float) -> int:
        return max(len(self.wrapped_title(title, width_in)) for title in self.titles)

    def wrapped_title(self, title: str, width_in: float) -> list[str]:
        """Lines of the title, whose own line breaks stay."""
        lines = title.split("\n")
        return [part for line in lines for part in wrapped(line, self.column_in(width_in))]


def draw_rows(
    rows: Sequence[Row], head: Sequence[str], foot: Sequence[str], width_in: float
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with bare axes in pixels of each row's images, between lines of text."""
    heights = [row.tall_in(width_in) + LINE_IN * row.title_lines(width_in) for row in rows]
    texts_in = LINE_IN * (len(head) + len(foot)) + _GAP_IN
    height_in = texts_in + sum(heights) + _GAP_IN * len(rows)
    figure = blank(width_in, height_in)
    top_in = height_in - LINE_IN * len(head)
    left = _MARGIN_IN / width_in
    figure.text(left, 1 - 0.02 / height_in, "\n".join(head), fontsize=FONT_PT, va="top")
    every = []
    for row, tall_in in zip(rows, heights, strict=True):
        every.append(_draw_row(figure, row, top_in))
        top_in -= tall_in + _GAP_IN
    figure.text(left, 0.03 / height_in, "\n".join(foot), fontsize=FONT_PT, va="bottom")
    return figure, every


def _draw_row(figure: Figure, row: Row, top_in: float) -> list[Axes]:
    """The row's axes below its titles, each at the left of its column."""
    width_in, height_in = figure.get_size_inches()
    column_in, made = row.column_in(width_in), []
    below_in = top_in - LINE_IN * row.title_lines(width_in)
    for number, ((w, h), title) in enumerate(zip(row.sizes, row.titles, strict=True)):
        scale = min(column_in / w, _TALLEST_IN / h)
        left_in = _MARGIN_IN + number * (column_in + _GAP_IN)
        text = "\n".join(row.wrapped_title(title, width_in))
        place = left_in / width_in, (below_in + 0.03) / height_in
        figure.text(*place, text, fontsize=FONT_PT, va="bottom")
        box = (left_in, below_in - h * scale, w * scale, h * scale)
        shares = [length / (width_in, height_in)[i % 2] for i, length in enumerate(box)]
        axes = figure.add_axes((shares[0], shares[1], shares[2], shares[3]))
        bare(axes, (w, h))
        made.append(axes)
    return made


def show(axes: Axes, pixels: UInt8[ndarray, "h w 3"]) -> None:
    """The image in its own pixels, kept at no more of them than a print shows."""
    height, width = pixels.shape[:2]
    scale = axes.bbox.width / axes.figure.dpi * PNG_DPI / width
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        pixels = asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    axes.imshow(pixels, extent=(0, width, height, 0), interpolation="bilinear")
    axes.set_autoscale_on(False)
