"""Texts, which may be strangers', as Markdown shows them literally."""

import re
from collections.abc import Sequence
from html import escape


def literal(text: str) -> str:
    """A text for Markdown that is shown as it is: no markup, link, image or mention in it works."""
    escaped = re.sub(r"([\\`*\[\]|!])", r"\\\1", escape(text, quote=False))
    return re.sub(r"(?<!\w)@(?=\w)", "@<!-- -->", escaped)


def pipe(cells: Sequence[str]) -> str:
    """A line of a table."""
    return "| " + " | ".join(map(literal, cells)) + " |"
