"""The page on which two models are chosen, and a page for each two that are compared."""

from collections.abc import Iterator

from kapbench_leaderboard.site.compare_matrix import matrix
from kapbench_leaderboard.site.links import Links
from kapbench_leaderboard.site.pages import Page, Site
from kapbench_leaderboard.site.pair_charts import charts, sentences
from kapbench_leaderboard.site.pairs import MOST_COMPARED, compared


def compare_pages(site: Site) -> Iterator[Page]:
    pairs = list(compared(site.boards))
    matrices = [
        m for board in site.boards if (m := matrix(board, site.evidence[board.name], pairs))
    ]
    values = {"pairs": pairs, "n_compared": MOST_COMPARED, "matrices": matrices}
    yield site.page("compare.html", "compare.html", {"title": "Compare two models", **values})
    for each in pairs:
        of_pair = {
            "title": " and ".join(each.labels),
            "pair": each,
            "tables": each.tables(),
            "sentences": sentences(each),
            "charts": charts(each),
        }
        yield site.page("pair.html", each.link(Links("")), of_pair)
