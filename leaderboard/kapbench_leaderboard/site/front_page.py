"""The front page, the boards of a few pairs, and the numbers that papers print."""

from collections.abc import Iterator

from kapbench_leaderboard.site import charts
from kapbench_leaderboard.site.pages import NARROW_QUOTED, Page, Site
from kapbench_leaderboard.site.published import published

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
    quoted = {"title": "Published numbers", "quoted": published(), "narrow": NARROW_QUOTED}
    yield site.page("published.html", "published.html", quoted)
