"""The page of each model."""

from collections.abc import Iterator

from kapbench_leaderboard.site.links import Links
from kapbench_leaderboard.site.models import runs_of_model
from kapbench_leaderboard.site.pages import Page, Site


def model_pages(site: Site) -> Iterator[Page]:
    for name in sorted({a.run.model.name for a in site.entries}):
        entries = [a for a in site.entries if a.run.model.name == name]
        runs = runs_of_model(entries, site.facts)
        yield site.page("model.html", Links("").model(name), {"title": name, "runs": runs})
