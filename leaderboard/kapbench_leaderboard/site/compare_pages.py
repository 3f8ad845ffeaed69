"""The page on which two models are chosen, and a page for each two that are compared."""

from collections.abc import Iterator

from kapbench_leaderboard.site.links import Links
from kapbench_leaderboard.site.pages import Page, Site
from kapbench_leaderboard.site.pairs import MOST_COMPARED, compared


def compare_pages(site: Site) -> Iterator[Page]:
    pairs = list(compared(site.boards))
    chooser = {"title": "Compare two models", "pairs": pairs, "n_compared": MOST_COMPARED}
    yield site.page("compare.html", "compare.html", chooser)
    for each in pairs:
        title = " and ".join(each.labels)
        values = {"title": title, "board": each.board, "tables": each.tables()}
        yield site.page("pair.html", each.link(Links("")), values)
