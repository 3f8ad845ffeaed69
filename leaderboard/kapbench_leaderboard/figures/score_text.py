"""A similarity as tables and figures show it. Imports nothing heavy."""

import math


def score_text(score: float | None) -> str:
    """Three digits behind the point, or three digits at all of a large one; a dash for none."""
    if score is None or math.isnan(score):
        return "–"
    text = f"{score:.3f}" if abs(score) < 100 else f"{score:.3g}"
    return text.removeprefix("-") if float(text) == 0 else text
