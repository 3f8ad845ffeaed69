"""The page of each model."""

from collections.abc import Iterator

from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.site.boards import FEWEST_PAIRS
from kapbench_leaderboard.site.links import Links
from kapbench_leaderboard.site.model_summary import headings, summary
from kapbench_leaderboard.site.models import runs_of_model
from kapbench_leaderboard.site.pages import Page, Site


def model_pages(site: Site) -> Iterator[Page]:
    for name in sorted({a.run.model.name for a in site.entries}):
        runs = runs_of_model(site, name)
        rows = summary(site.boards, [each.accepted.run for each in runs])
        values = {
            "title": name,
            "runs": runs,
            "rows": rows,
            "headings": headings(rows),
            "fewest_pairs": FEWEST_PAIRS,
            "is_control": all(is_control(each.accepted.run) for each in runs),
            "explore_link": Links("../").explore(name) if name in site.explored else None,
        }
        yield site.page("model.html", Links("").model(name), values)
