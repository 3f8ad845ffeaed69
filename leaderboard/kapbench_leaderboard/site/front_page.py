"""The front page, and the page of numbers that papers print."""

from collections.abc import Iterator

from kapbench_leaderboard.site.pages import NARROW_QUOTED, Page, Site
from kapbench_leaderboard.site.published import published


def front_pages(site: Site) -> Iterator[Page]:
    yield site.page("index.html", "index.html", {"title": "kapbench leaderboard"})
    quoted = {"title": "Published numbers", "quoted": published(), "narrow": NARROW_QUOTED}
    yield site.page("published.html", "published.html", quoted)
