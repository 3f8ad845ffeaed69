"""The page of each data set, and its tables as files."""

from collections.abc import Iterator

from kapbench_leaderboard.site.boards import Board
from kapbench_leaderboard.site.links import Links
from kapbench_leaderboard.site.pages import Page, Site, narrow_width
from kapbench_leaderboard.tables.choices import Format
from kapbench_leaderboard.tables.render import render

DOWNLOADS: dict[str, Format] = {"csv": "csv", "json": "json", "tex": "latex"}


def dataset_pages(site: Site) -> Iterator[Page]:
    for board in site.boards:
        yield from _of_board(site, board)


def _of_board(site: Site, board: Board) -> Iterator[Page]:
    tables = [board.summary, *(t for view in board.views.values() for t in view)]
    values = {"title": board.name, "board": board, "narrow": narrow_width(tables)}
    yield site.page("data.html", Links("").data(board.name), values)
    for ending, how in DOWNLOADS.items():
        made = render(tables, how, resamples=board.resamples)
        yield Links("").download(board.name, ending), made
