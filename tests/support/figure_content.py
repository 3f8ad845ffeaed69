"""What a figure shows, from its artists: its texts, and whether they lie apart and on the page."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts(figure: Figure) -> list[Text]:
    """Those that are seen: matplotlib also makes labels of ticks beyond an axis, and draws none."""
    beyond = set()
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for label, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=False):
                if not min(low, high) <= at <= max(low, high) or not axes.axison:
                    beyond.add(label)
    found = [text for text in figure.findobj(Text) if text not in beyond]
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


def refuse_unreadable(figure: Figure, smallest_pt: float = 6.0) -> None:
    """AssertionError: a text is too small, leaves the page, or overlaps another."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = {text: text.get_window_extent(canvas.get_renderer()) for text in texts(figure)}
    page = figure.bbox
    for text, box in boxes.items():
        assert text.get_fontsize() >= smallest_pt, text
        assert box.x0 >= page.x0 - 1, text
        assert box.x1 <= page.x1 + 1, text
        assert box.y0 >= page.y0 - 1, text
        assert box.y1 <= page.y1 + 1, text
    for (first, a), (second, b) in combinations(boxes.items(), 2):
        shared = Bbox.intersection(a, b)
        apart = shared is None or shared.width < 1 or shared.height < 2  # a descender may touch
        assert apart, (first.get_text(), second.get_text())
