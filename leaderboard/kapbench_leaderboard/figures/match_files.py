"""Files of matches: a figure for each target, a summary of several, or the numbers as JSON."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from kapbench.errors import KapbenchError
from kapbench.matching.matches import Matches
from kapbench.storage import write_atomically
from kapbench_leaderboard.figures import style
from kapbench_leaderboard.figures.match_figure import match_figure
from kapbench_leaderboard.figures.match_summary import MAX_PANELS, draw_summary


def match_files(of_models: Sequence[Matches], path: Path, *, lines: bool = False) -> Path:
    """Writes the matches in one target, of one model or several side by side, by the path's ending.

    Raises:
        KapbenchError: another ending than .png, .pdf, .svg or .json; see `match_figure`.
    """
    check_ending(path)
    writer = MatchWriter(path, n_targets=1, lines=lines)
    writer.add(of_models)
    writer.finish()
    return path


@dataclass
class MatchWriter:
    """Writes matches in one target after the other, so that few images are in memory at once.

    One target: one figure. Several: a PDF has a page for each and the summary as the last; of the
    other formats FILE.png is the summary, and FILE-01-NAME.png is the figure of the first target.
    JSON is one file.
    """

    path: Path
    n_targets: int
    lines: bool = False
    paths: list[Path] = field(default_factory=list)
    _of_summary: list[Sequence[Matches]] = field(default_factory=list)
    _numbers: list[dict[str, Any]] = field(default_factory=list)
    _pdf: io.BytesIO = field(default_factory=io.BytesIO)
    _pages: PdfPages | None = None
    _n_added: int = 0

    def add(self, of_models: Sequence[Matches]) -> None:
        """The matches in the next target by each model. KapbenchError as `match_figure`."""
        self._n_added += 1
        if self.path.suffix == ".json":
            self._numbers += [m.to_dict() for m in of_models]
            return
        figure = match_figure(of_models, lines=self.lines)
        if self.n_targets == 1:
            self.paths.append(style.save(figure, self.path))
            return
        if len(self._of_summary) * len(of_models) < MAX_PANELS:
            self._of_summary.append(of_models)
        if self.path.suffix == ".pdf":
            self._add_page(figure)
            return
        name = re.sub(r"[^\w.@-]", "_", Path(of_models[0].target.name).stem)[:80]
        file = f"{self.path.stem}-{self._n_added:02d}-{name}{self.path.suffix}"
        self.paths.append(style.save(figure, self.path.with_name(file)))

    def finish(self, unreadable: Sequence[str] = ()) -> list[Path]:
        """Writes what is of all targets; returns the paths of every file, the summary's first.

        Args:
            unreadable: Targets that could not be read, which JSON names.
        """
        if self.path.suffix == ".json":
            content = {"matches": self._numbers, "unreadable": list(unreadable)}
            text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
            write_atomically(self.path, f"{text}\n".encode())
            self.paths.append(self.path)
        elif self._of_summary:
            summary = draw_summary(self._of_summary, self._n_added)
            if self._pages is None:
                self.paths.insert(0, style.save(summary, self.path))
            else:
                self._add_page(summary)
                with style.styled():  # fonts are written now, in the style's format
                    self._pages.close()  # type: ignore[no-untyped-call]
                write_atomically(self.path, self._pdf.getvalue())
                self.paths.append(self.path)
        return self.paths

    def _add_page(self, figure: Figure) -> None:
        """A page without a date, so that equal figures are equal files."""
        with style.styled():
            if self._pages is None:
                about = {"CreationDate": None, "Creator": None, "Producer": None}
                self._pages = PdfPages(self._pdf, metadata=about)
            self._pages.savefig(figure)  # type: ignore[no-untyped-call]


def check_ending(path: Path) -> None:
    """KapbenchError where a path's ending names no format of a match."""
    if path.suffix not in (".png", ".pdf", ".svg", ".json"):
        raise KapbenchError(
            f"The ending '{path.suffix}' names no format of a match",
            place=path,
            fix="End the file's name in .png, .pdf, .svg or .json",
        )
