"""How large a figure is: for a paper, a talk or a poster, and whether it has a title.

Figures are laid out in inches and points of a paper. Another presentation enlarges all of them, and
its columns are narrower beside its text, so that text, lines and marks grow beside the images.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

PresentationName = Literal["paper", "talk", "poster"]
PRESENTATION_NAMES: tuple[PresentationName, ...] = get_args(PresentationName)
COLUMN_IN = 3.3  # width of a column of a two-column paper
PAGE_IN = 6.9  # of both columns


@dataclass(frozen=True, slots=True)
class Presentation:
    """`scale`: of every length and size. `column_in`, `page_in`: the widths of a narrow and of a wide
    figure before they are scaled. `png_dpi`: pixels an inch after that. `titled`: whether the title
    is drawn; the caption of a paper often says the same.
    """

    scale: float
    column_in: float
    page_in: float
    png_dpi: int = 300
    titled: bool = True


_PRESENTATIONS: Mapping[PresentationName, Presentation] = MappingProxyType(
    {
        "paper": Presentation(1.0, COLUMN_IN, PAGE_IN),  # text of 7 pt
        "talk": Presentation(2.0, 2.9, 5.8, png_dpi=200),  # 14 pt; 5.8 and 11.6 in of a slide
        "poster": Presentation(4.0, 2.9, 5.8, png_dpi=150),  # 28 pt; 11.6 and 23.2 in
    }
)
_active: ContextVar[Presentation] = ContextVar("presentation", default=_PRESENTATIONS["paper"])


@contextmanager
def presented(name: PresentationName, *, titled: bool = True) -> Iterator[Presentation]:
    """Figures are drawn for this presentation inside the block."""
    chosen = _PRESENTATIONS[name]
    token = _active.set(
        Presentation(chosen.scale, chosen.column_in, chosen.page_in, chosen.png_dpi, titled)
    )
    try:
        yield _active.get()
    finally:
        _active.reset(token)


def current() -> Presentation:
    """That of the block in which it is called, else a paper's."""
    return _active.get()


def column_in() -> float:
    """Width of a narrow figure, in inches that are not scaled yet."""
    return current().column_in


def page_in() -> float:
    """Width of a wide figure, in inches that are not scaled yet."""
    return current().page_in


def points(at_paper: float) -> float:
    """A size in points as matplotlib takes it, from its size in a paper."""
    return at_paper * current().scale
