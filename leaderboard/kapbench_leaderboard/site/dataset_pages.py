"""The page of each data set, and its tables as files."""

from collections.abc import Iterator

from kapbench_leaderboard.site import charts
from kapbench_leaderboard.site.boards import Board
from kapbench_leaderboard.site.keypoint_heat import keypoint_tables
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
    values = {"title": board.title, "board": board, "narrow": narrow_width(tables)}
    drawn = {} if board.is_sample else _charts(site, board)
    yield site.page("data.html", Links("").data(board.name), {**_NO_CHARTS, **values, **drawn})
    for ending, how in DOWNLOADS.items():
        made = render(tables, how, resamples=board.resamples)
        yield Links("").download(board.name, ending), made


_NO_CHARTS: dict[str, object] = {
    "scatter": None,
    "losses": None,
    "viewpoint": (),
    "twins": None,
    "keypoints": (),
}


def _charts(site: Site, board: Board) -> dict[str, object]:
    return {
        "scatter": charts.scatter(board),
        "losses": charts.losses(board, site.facts),
        "viewpoint": charts.viewpoint(board),
        "twins": charts.twins(board),
        "keypoints": keypoint_tables(board, site.facts),
    }
