"""Texts, which may be strangers', as LaTeX prints them literally."""

import re

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after \\ and \midrule it would begin an argument
    "]": "{]}",
    "*": "{*}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "−": "$-$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
    "…": r"\ldots{}",
    "α": r"$\alpha$",
    "†": r"\dag{}",
    "°": r"$^\circ$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
_LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=,)(?=,)")


def tex(words: str) -> str:
    """Escaped; "--" and other pairs that LaTeX would draw as one sign are kept apart."""
    parts = _LIGATURE.split(words)
    return "{}".join("".join(_TEX.get(letter, letter) for letter in part) for part in parts)
