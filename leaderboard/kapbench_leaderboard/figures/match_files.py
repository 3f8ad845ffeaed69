"""Files of matches: a figure for each target, a summary of several, or the numbers as JSON."""

import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from kapbench.errors import KapbenchError
from kapbench.matching.matches import Matches
from kapbench.storage import write_atomically
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.match_figure import match_figure
from kapbench_leaderboard.figures.match_summary import draw_summary

FIGURES = (".png", ".pdf", ".svg")


def match_files(
    targets: Sequence[Sequence[Matches]],
    path: Path,
    *,
    lines: bool = False,
    unreadable: Sequence[str] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> list[Path]:
    """Writes the matches in each target, of one model or several; returns the paths.

    One target: one figure. Several: a PDF has a page for each behind the summary; of the other formats
    FILE.png is the summary, and FILE-01-NAME.png is the figure of the first target.

    Args:
        unreadable: Targets that could not be read, which JSON names.
        advance: Called with 1 after each figure.

    Raises:
        KapbenchError: another ending than .png, .pdf, .svg or .json; see `match_figure`.
    """
    if path.suffix == ".json":
        write_atomically(path, _json(targets, unreadable))
        return [path]
    if path.suffix not in FIGURES:
        raise unknown_ending(path)

    def draw(of_models: Sequence[Matches]) -> Figure:
        figure = match_figure(of_models, lines=lines)
        advance(1)
        return figure

    if len(targets) == 1:
        return [style.save(draw(targets[0]), path)]
    if path.suffix == ".pdf":
        write_atomically(path, _pages([draw_summary(targets), *map(draw, targets)]))
        return [path]
    paths = [style.save(draw_summary(targets), path)]
    for number, of_models in enumerate(targets, 1):
        name = re.sub(r"[^\w.@-]", "_", Path(of_models[0].target.name).stem)[:80]
        file = path.with_name(f"{path.stem}-{number:02d}-{name}{path.suffix}")
        paths.append(style.save(draw(of_models), file))
    return paths


def unknown_ending(path: Path) -> KapbenchError:
    return KapbenchError(
        f"The ending '{path.suffix}' names no format of a match",
        place=path,
        fix="End the file's name in .png, .pdf, .svg or .json",
    )


def _json(targets: Sequence[Sequence[Matches]], unreadable: Sequence[str]) -> bytes:
    matches = [m.to_dict() for of_models in targets for m in of_models]
    content: dict[str, Any] = {"matches": matches, "unreadable": list(unreadable)}
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _pages(figures: Sequence[Figure]) -> bytes:
    """A PDF with a page for each figure, without a date."""
    from matplotlib.backends.backend_pdf import PdfPages

    out = io.BytesIO()
    about = {"CreationDate": None, "Creator": None, "Producer": None}
    with style.styled(), PdfPages(out, metadata=about) as pages:
        for figure in figures:
            pages.savefig(figure)
    return out.getvalue()
