"""Figures inside a page, as addresses that hold their bytes."""

import base64
from dataclasses import dataclass

from matplotlib.figure import Figure

from kapbench_leaderboard.figures import style

PHOTOGRAPH_DPI = 150


@dataclass(frozen=True, slots=True)
class Inline:
    """A figure inside the page; `url` holds its bytes."""

    url: str
    alt: str


def drawing(figure: Figure, alt: str) -> Inline:
    return _inline(style.content(figure, "svg"), "image/svg+xml", alt)


def photograph(figure: Figure, alt: str) -> Inline:
    return _inline(style.content(figure, "jpg", PHOTOGRAPH_DPI), "image/jpeg", alt)


def _inline(content: bytes, kind: str, alt: str) -> Inline:
    return Inline(f"data:{kind};base64,{base64.b64encode(content).decode()}", alt)
