"""Pages of a site, and the folder that is exchanged whole."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from kapbench.errors import KapbenchError
from kapbench_leaderboard import shown
from kapbench_leaderboard.differences import paired_tables
from kapbench_leaderboard.entries import records_path
from kapbench_leaderboard.render import Format, render
from kapbench_leaderboard.site.boards import VIEWS, Accepted, Board, accepted, boards, rule_text
from kapbench_leaderboard.site.curves import curves, worst_pairs
from kapbench_leaderboard.site.published import published
from kapbench_leaderboard.submit.reading import read_records

MARKER = ".kapbench-site"
MOST_COMPARED = 10  # models of a board that have a page for each pair of them
DOWNLOADS: dict[str, Format] = {"csv": "csv", "json": "json", "tex": "latex"}
Page = tuple[str, str]  # path below the site, content


@dataclass(frozen=True)
class Links:
    """Where a page's relative links begin, and the names of pages."""

    root: str

    def model(self, name: str) -> str:
        return f"{self.root}models/{slug(name)}.html"

    def data(self, name: str) -> str:
        return f"{self.root}data/{slug(name)}.html"

    def pair(self, board: str, first: str, second: str) -> str:
        return f"{self.root}compare/{slug(board)}--{slug(first)}--{slug(second)}.html"

    def download(self, board: str, ending: str) -> str:
        return f"{self.root}downloads/{slug(board)}.{ending}"


def slug(name: str) -> str:
    """A name as a file: letters, digits, dots and dashes stay; two names never meet."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c in ".-") else f"_{ord(c):x}_" for c in name
    )


def build(results: Path, out: Path, advance: Callable[[int], None] | None = None) -> int:
    """Writes the site of a folder of results to `out`; returns its number of pages.

    Raises:
        KapbenchError: no or damaged results, or a folder at `out` that is no site.
    """
    _refuse(out)
    found = accepted(results)
    content: dict[str, str] = {}
    for path, text in pages(found, boards(found)):
        content[path] = text
        if advance is not None:
            advance(1)
    _exchange(out, content)
    return len(content)


def pages(found: Sequence[Accepted], made: Sequence[Board]) -> Iterator[Page]:
    environment = _environment()
    everything = {"boards": made, "views": VIEWS}

    def page(template: str, path: str, **more: object) -> Page:
        links = Links("../" * path.count("/"))
        text = environment.get_template(template).render(
            links=links, here=path, **everything, **more
        )
        return path, text

    yield page("index.html", "index.html", title="kapbench leaderboard")
    yield page("published.html", "published.html", title="Published numbers", quoted=published())
    yield page("compare.html", "compare.html", title="Compare two models", pairs=_pairs(made))
    for board in made:
        yield page("data.html", Links("").data(board.name), title=board.name, board=board)
        for ending, how in DOWNLOADS.items():
            every = [board.summary, *(t for view in board.views.values() for t in view)]
            yield Links("").download(board.name, ending), render(every, how)
        for first, second in _compared(board):
            yield page(
                "pair.html",
                Links("").pair(board.name, first.run.model.name, second.run.model.name),
                title=f"{first.run.model.name} and {second.run.model.name}",
                board=board,
                tables=_paired(board, first, second),
            )
    for name in sorted({a.run.model.name for a in found}):
        runs = [_run(a) for a in found if a.run.model.name == name]
        yield page("model.html", Links("").model(name), title=name, runs=runs)
    static = files("kapbench_leaderboard.site") / "static"
    for name in ("site.css", "site.js"):
        yield f"static/{name}", (static / name).read_text(encoding="utf-8")


def _run(found: Accepted) -> dict[str, object]:
    """What a model's page shows of one run; curves only where its records lie beside it."""
    place = records_path(found.path)
    drawn: dict[str, object] = {"accepted": found, "curves": [], "worst": []}
    if place.exists():
        records = read_records(place, found.run.dataset.categories)
        drawn |= {"curves": curves(records, found.run), "worst": worst_pairs(records, found.run)}
    return drawn


def _compared(board: Board) -> Iterator[tuple[Accepted, Accepted]]:
    return combinations(board.leading(MOST_COMPARED), 2)


def _pairs(made: Sequence[Board]) -> list[tuple[str, str, str]]:
    """Data set and names of the two models of every pair that has a page."""
    return [
        (board.name, first.run.model.name, second.run.model.name)
        for board in made
        for first, second in _compared(board)
    ]


def _paired(board: Board, first: Accepted, second: Accepted) -> list[object]:
    resamples = {a.run.provenance.records_sha256: a.resamples for a in (first, second)}
    return list(paired_tables(board.group, resamples))


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("kapbench_leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        number=shown.number, interval=shown.interval, heading=shown.heading, reasons=shown.reasons,
        notes=shown.notes, marked=shown.marked, rule_text=rule_text,
    )  # fmt: skip
    return made


def _refuse(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).exists())):
        raise KapbenchError(
            "the folder holds something else than a site",
            place=out,
            fix="give an empty or new folder: --out FOLDER",
        )


def _exchange(out: Path, content: dict[str, str]) -> None:
    """The whole site under a temporary name, then a move: a reader never meets half of it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site-") as scratch:
            new, old = Path(scratch) / "new", Path(scratch) / "old"
            new.mkdir()
            (new / MARKER).write_text("written by kapbench site\n", encoding="utf-8")
            for path, text in content.items():
                place = new / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")
            if out.exists():
                shutil.move(out, old)
            shutil.move(new, out)
    except OSError as error:
        raise KapbenchError(
            f"cannot write the site: {error.strerror or error}",
            place=out,
            fix="choose another --out",
        ) from error
