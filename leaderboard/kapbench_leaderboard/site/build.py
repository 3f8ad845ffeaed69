"""The pages of a site, and the folder that is replaced as a whole."""

from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench_leaderboard.site.boards import accepted, boards
from kapbench_leaderboard.site.compare_pages import compare_pages
from kapbench_leaderboard.site.dataset_pages import dataset_pages
from kapbench_leaderboard.site.exchange import put_back, replacement
from kapbench_leaderboard.site.explore_pages import known_models, write_explore_pages
from kapbench_leaderboard.site.forked import MANY, forked
from kapbench_leaderboard.site.front_page import front_pages
from kapbench_leaderboard.site.model_pages import model_pages
from kapbench_leaderboard.site.pages import Page, Site
from kapbench_leaderboard.site.record_facts import entries_with_later_scores, record_facts

MARKER = ".kapbench-site"
# Those that take longest first, for the processes that make them.
KINDS: Sequence[Callable[[Site], Iterator[Page]]] = (
    model_pages,
    compare_pages,
    dataset_pages,
    front_pages,
)


def build(
    results: Path,
    out: Path,
    advance: Callable[[int], None] | None = None,
    explore: Sequence[str] = (),
) -> int:
    """Writes the site of a folder of results to `out`; returns its number of pages.

    Args:
        explore: Models whose pages of synthetic pairs are written too; each is loaded and run.

    Raises:
        KapbenchError: no or damaged results, a folder at `out` that is not a site, or a model to
            explore that has no accepted result or cannot be loaded.
    """
    put_back(out)
    _refuse(out)
    entries = accepted(results)
    explored = known_models(explore, (entry.run.model.name for entry in entries), results)
    facts = record_facts(entries)
    entries = entries_with_later_scores(entries, facts)
    content: dict[str, str | bytes] = {}
    for path, text in pages(Site(entries, boards(entries), facts, explored)):
        if path in content:
            raise KapbenchError(
                f"Two pages have the name {path}",
                place=results,
                fix="Remove one of the two runs from the results, or report this error",
            )
        content[path] = text
        if advance is not None:
            advance(1)
    _write(out, content, lambda folder: write_explore_pages(explored, folder))
    return len(content) + len(explored)


def pages(site: Site) -> Iterator[Page]:
    """Every page, and the files that pages link to."""
    is_large = len(site.entries) >= MANY
    for of_kind in forked(lambda i: list(KINDS[i](site)), len(KINDS), is_large=is_large):
        yield from of_kind
    for file in (files("kapbench_leaderboard.site") / "static").iterdir():
        if file.name.endswith((".css", ".js", ".webp")):
            yield f"static/{file.name}", file.read_bytes()


def _refuse(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).exists())):
        raise KapbenchError(
            "The folder holds something other than a site",
            place=out,
            fix="Give an empty or new folder: --output FOLDER",
        )


def _write(out: Path, content: dict[str, str | bytes], write_more: Callable[[Path], None]) -> None:
    """Writes the site aside, and exchanges it with the one that is there.

    Args:
        write_more: Writes further pages below a folder.
    """
    try:
        with replacement(out) as new:
            (new / MARKER).write_text("written by kapbench site\n", encoding="utf-8")
            for path, stored in content.items():
                place = new / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(stored if isinstance(stored, bytes) else stored.encode())
            write_more(new)
    except OSError as error:
        raise KapbenchError(
            f"The site cannot be written: {error.strerror or error}",
            place=out,
            fix="Choose another folder with --output",
        ) from error
