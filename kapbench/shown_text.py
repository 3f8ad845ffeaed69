"""Text of others where it is shown: characters that steer a terminal, reorder a line or hide."""

import re

# Printable for Unicode, and yet nothing is seen: fillers, variation selectors, Braille without dots.
_BLANK = re.compile("[\u115f\u1160\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def hidden_characters(text: str, allowed: str = "") -> list[str]:
    """The distinct characters of a text that are not shown as themselves, in order.

    Controls (ESC, NUL, DEL, C1), marks of direction, zero-width and private characters, halves of
    surrogate pairs, line separators, and every space but the plain one.
    """
    if text.isprintable() and not _BLANK.search(text):
        return []
    return [c for c in dict.fromkeys(text) if c not in allowed and _is_hidden(c)]


def escape_hidden(text: str, allowed: str = "") -> str:
    """The text with each hidden character as Python writes it: \\x1b, \\u202e."""
    if text.isprintable() and not _BLANK.search(text):
        return text
    return "".join(
        c.encode("unicode_escape").decode() if c not in allowed and _is_hidden(c) else c
        for c in text
    )


def _is_hidden(character: str) -> bool:
    return not character.isprintable() or _BLANK.match(character) is not None
