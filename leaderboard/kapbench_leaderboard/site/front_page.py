"""The front page, the boards of a few pairs, and the numbers that papers print."""

from collections.abc import Iterator

from kapbench_leaderboard.published.load import Number, numbers, published, repeatable
from kapbench_leaderboard.site import charts
from kapbench_leaderboard.site.pages import NARROW_QUOTED, Page, Site

N_LEADING = 3  # models that the front page names of each other board


def front_pages(site: Site) -> Iterator[Page]:
    lead, *others = site.ranked
    values = {
        "title": "kapbench leaderboard",
        "lead": lead,
        "others": others,
        "n_leading": N_LEADING,
        "scatter": charts.scatter(lead),
        "losses": charts.losses(lead, site.facts),
    }
    yield site.page("index.html", "index.html", values)
    if site.samples:
        yield site.page("samples.html", "samples.html", {"title": "Samples"})
    yield site.page("published.html", "published.html", _published())


def _published() -> dict[str, object]:
    """Every quoted number by table, tables by data set, and whether a command repeats it."""
    quoted = published()
    by_table: dict[str, list[tuple[Number, bool]]] = {}
    for number in numbers(quoted):
        repeated = repeatable(quoted, number.table, number.row) is not None
        by_table.setdefault(number.table.name, []).append((number, repeated))
    tables = sorted(by_table.values(), key=lambda of_table: of_table[0][0].table.dataset)
    title = "Published numbers"
    return {"title": title, "quoted": quoted, "tables": tables, "narrow": NARROW_QUOTED}
