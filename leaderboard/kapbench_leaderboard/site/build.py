"""The pages of a site, and the folder that is replaced as a whole."""

from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kapbench.errors import KapbenchError
from kapbench.shown_text import escape_hidden
from kapbench_leaderboard.site.boards import VIEWS, Accepted, Board, accepted, boards, rule_text
from kapbench_leaderboard.site.exchange import put_back, replacement
from kapbench_leaderboard.site.links import Links
from kapbench_leaderboard.site.models import runs_of_model
from kapbench_leaderboard.site.pairs import MOST_COMPARED, compared
from kapbench_leaderboard.site.published import published
from kapbench_leaderboard.tables import format_cells
from kapbench_leaderboard.tables.choices import Format
from kapbench_leaderboard.tables.render import render

MARKER = ".kapbench-site"
# Below these widths each row of a table is shown as a block; a test measures the width of pages.
NARROW, NARROW_QUOTED, NARROW_DENSE = "50rem", "60rem", "74rem"
FEW = 9  # columns that fit side by side with horizontal headings
DOWNLOADS: dict[str, Format] = {"csv": "csv", "json": "json", "tex": "latex"}
Page = tuple[str, str]  # path below the site, content


def build(results: Path, out: Path, advance: Callable[[int], None] | None = None) -> int:
    """Writes the site of a folder of results to `out`; returns its number of pages.

    Raises:
        KapbenchError: no or damaged results, or a folder at `out` that is not a site.
    """
    put_back(out)
    _refuse(out)
    entries = accepted(results)
    content: dict[str, str] = {}
    for path, text in pages(entries, boards(entries)):
        if path in content:
            raise KapbenchError(
                f"Two pages have the name {path}",
                place=results,
                fix="Remove one of the two runs from the results, or report this error",
            )
        content[path] = text
        if advance is not None:
            advance(1)
    _write(out, content)
    return len(content)


def pages(entries: Sequence[Accepted], all_boards: Sequence[Board]) -> Iterator[Page]:
    environment = _environment()
    pairs = list(compared(all_boards))
    shared = {"boards": all_boards, "views": VIEWS, "n_compared": MOST_COMPARED}

    def page(template: str, path: str, **more: object) -> Page:
        links = Links("../" * path.count("/"))
        values = {"links": links, "here": path, "narrow": NARROW} | shared | more
        text = environment.get_template(template).render(values)
        return path, text

    yield page("index.html", "index.html", title="kapbench leaderboard")
    quoted = {"title": "Published numbers", "quoted": published(), "narrow": NARROW_QUOTED}
    yield page("published.html", "published.html", **quoted)
    yield page("compare.html", "compare.html", title="Compare two models", pairs=pairs)
    for board in all_boards:
        tables = [board.summary, *(t for view in board.views.values() for t in view)]
        narrow = NARROW_DENSE if any(len(t.columns) > FEW for t in tables) else NARROW
        path = Links("").data(board.name)
        yield page("data.html", path, title=board.name, board=board, narrow=narrow)
        for ending, how in DOWNLOADS.items():
            made = render(tables, how, resamples=board.resamples)
            yield Links("").download(board.name, ending), made
    for each in pairs:
        title = " and ".join(each.labels)
        yield page(
            "pair.html", each.link(Links("")), title=title, board=each.board, tables=each.tables()
        )
    for name in sorted({a.run.model.name for a in entries}):
        runs = runs_of_model([a for a in entries if a.run.model.name == name])
        yield page("model.html", Links("").model(name), title=name, runs=runs)
    static = files("kapbench_leaderboard.site") / "static"
    for name in ("site.css", "stacked.css", "site.js"):
        yield f"static/{name}", (static / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("kapbench_leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        number=format_cells.number,
        interval=format_cells.interval,
        heading=format_cells.heading,
        reasons=format_cells.reasons,
        notes=format_cells.notes,
        marked=format_cells.marked,
        rule_text=rule_text,
        few=FEW,
    )
    return made


def _plain(value: object) -> object:
    """What a template shows: text with its hidden characters written out, line breaks apart."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return escape_hidden(value, allowed="\n")


def _refuse(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).exists())):
        raise KapbenchError(
            "The folder holds something other than a site",
            place=out,
            fix="Give an empty or new folder: --output FOLDER",
        )


def _write(out: Path, content: dict[str, str]) -> None:
    """Writes the site aside, and exchanges it with the one that is there."""
    try:
        with replacement(out) as new:
            (new / MARKER).write_text("written by kapbench site\n", encoding="utf-8")
            for path, text in content.items():
                place = new / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise KapbenchError(
            f"The site cannot be written: {error.strerror or error}",
            place=out,
            fix="Choose another folder with --output",
        ) from error
